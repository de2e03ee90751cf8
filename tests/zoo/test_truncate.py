"""Back-propagation through time that stops after some steps, while the state goes on."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import hvae
from hvae.config.sequences import VRNNConfig
from hvae.draw import mode
from hvae.errors import HvaeError
from hvae.models.recurrent import Recurrent
from hvae.walk import run, run_step

STEPS, PIECE = 11, 4


def model_of(truncate: int, cell: str = "gru") -> Recurrent:
    torch.manual_seed(0)
    config = VRNNConfig(latent=2, state=5, width=5, cell=cell, truncate=truncate)  # type: ignore[arg-type]
    model = hvae.build(config, shape=(STEPS, 3), bits=1).double()
    assert isinstance(model, Recurrent)
    return model


def data() -> Tensor:
    return (torch.rand(4, STEPS, 3, generator=torch.Generator().manual_seed(1)) < 0.4).double()


def gradients(model: Recurrent, bound: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(-bound.sum(), list(model.parameters()), retain_graph=True))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_the_bound_of_the_whole_is_the_sum_over_pieces_with_the_state_carried(cell: str) -> None:
    model, whole = model_of(PIECE, cell), model_of(0, cell)
    evidence = model.evidence(data())
    state, pieces = model.before(evidence), []
    for t in range(STEPS):
        if t % PIECE == 0:
            state = state.detach() if t else state
            pieces.append(torch.zeros(len(evidence), dtype=torch.float64))
        trace, state = run_step(model, mode, evidence, state, t)
        pieces[-1] = pieces[-1] + trace.elbo()
    found = run(model, mode, model.evidence(data())).elbo()
    torch.testing.assert_close(found, torch.stack(pieces).sum(0), rtol=0, atol=1e-12)
    torch.testing.assert_close(found, run(whole, mode, whole.evidence(data())).elbo(), rtol=0, atol=1e-12)
    each = [gradients(model, piece) for piece in pieces]
    for ours, *parts in zip(gradients(model, found), *each, strict=True):
        torch.testing.assert_close(ours, sum(parts), rtol=0, atol=1e-10)


def test_the_gradient_is_not_that_of_the_whole() -> None:
    ours, whole = (gradients(m, run(m, mode, m.evidence(data())).elbo()) for m in (model_of(PIECE), model_of(0)))
    assert any(not torch.allclose(a, b, atol=1e-8) for a, b in zip(ours, whole, strict=True))


def test_no_gradient_goes_back_beyond_a_piece() -> None:
    model = model_of(PIECE)
    evidence = model.evidence(data())
    past = evidence.features["past"]
    past.retain_grad()
    trace = run(model, mode, evidence)
    law = trace.observed[0].law.log_prob(data())[:, -1].sum()  # of the last step, which lies in the third piece
    law.backward()
    assert past.grad is not None
    assert (past.grad[:, : 2 * PIECE] == 0).all() and (past.grad[:, 2 * PIECE :] != 0).any()


def test_a_recurrence_of_its_own_is_refused() -> None:
    with pytest.raises(HvaeError, match="model.truncate: storn reads the data"):
        VRNNConfig(recurrence="storn", prior="standard", truncate=4)
