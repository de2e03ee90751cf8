"""Back-propagation through time that stops after some steps, while the state goes on."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import hvae
from hvae.config.clockwork import CWVAEConfig
from hvae.config.model import ModelConfig
from hvae.config.sequences import DMMConfig, SRNNConfig, VRNNConfig
from hvae.datum import Datum
from hvae.draw import mode
from hvae.errors import HvaeError
from hvae.models.recurrent import Recurrent
from hvae.nn.pieces import over_pieces
from hvae.nn.recurrence import over_time
from hvae.trace import Trace
from hvae.walk import Model, run, run_step

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


# --- every family that goes on in time

SMALL = {"latent": 2, "width": 5, "state": 5}
CHAINS: dict[str, tuple[type[ModelConfig], dict[str, object]]] = {
    "vrnn": (VRNNConfig, SMALL),
    "vrnn-lags": (VRNNConfig, {**SMALL, "cell": "lstm", "lags": 2, "likelihood": "normal"}),
    "storn": (VRNNConfig, {**SMALL, "recurrence": "storn", "prior": "standard", "cell": "lstm"}),
    "srnn": (SRNNConfig, SMALL),
    "srnn-lstm": (SRNNConfig, {**SMALL, "cell": "lstm"}),
    "srnn-released": (SRNNConfig, {**SMALL, "timing": "released"}),
    "dmm": (DMMConfig, {**SMALL, "transition": 4}),
    "dmm-both": (DMMConfig, {**SMALL, "transition": 4, "reader": "both", "cell": "lstm"}),
    "cwvae": (CWVAEConfig, {"latents": (2, 3, 2), "strides": (1, 2, 4), "state": 5, "width": 5}),
}
BEFORE = {"srnn-released": 2, "vrnn-lags": 2, "dmm": 0, "dmm-both": 0, "cwvae": 0}
"""How many data before its own enter the first step of a piece, where it is not one."""


def pair(name: str) -> tuple[Model, Model]:
    """The model with pieces of 4 steps and without."""
    family, keys = CHAINS[name]
    models = []
    for truncate in (PIECE, 0):
        torch.manual_seed(0)
        config = family(**keys, truncate=truncate)  # type: ignore[arg-type]
        models.append(hvae.build(config, shape=(STEPS, 3), bits=0 if "lags" in name else 1).double())
    return models[0], models[1]


def by_step(trace: Trace, x: Tensor) -> Tensor:
    """The bound of each step, (B, T)."""
    steps = list(trace.observed[0].law.log_prob(x).flatten(2).sum(2).unbind(1))
    for record in trace.latents:
        assert record.step is not None
        steps[record.step] = steps[record.step] - record.rate()
    return torch.stack(steps, 1)


def bound(model: Model, x: Tensor, lengths: Tensor | None) -> Tensor:
    steps = by_step(run(model, mode, model.evidence(Datum(x, lengths=lengths))), x)
    return steps if lengths is None else torch.where(torch.arange(STEPS) < lengths[:, None], steps, 0.0)


@pytest.mark.parametrize("lengths", [None, torch.tensor([11, 6, 8, 1])])
@pytest.mark.parametrize("name", CHAINS)
def test_the_state_goes_on_and_gradients_stop(name: str, lengths: Tensor | None) -> None:
    """Of every row: the bound of a piece has a gradient in the data of the piece and in none before or after."""
    cut, whole = pair(name)
    torch.testing.assert_close(bound(cut, data(), lengths), bound(whole, data(), lengths), rtol=0, atol=1e-12)
    x = data().requires_grad_()
    ours = bound(cut, x, lengths)
    for start in range(0, STEPS, PIECE):
        (reach,) = torch.autograd.grad(ours[:, start : start + PIECE].sum(), x, retain_graph=True)
        steps = reach.abs().sum(2)
        near = max(0, start - BEFORE.get(name, 1))
        assert not steps[:, :near].any() and not steps[:, start + PIECE :].any()
        assert (steps[0, start : start + PIECE] > 0).all()
    (far,) = torch.autograd.grad(bound(whole, x, lengths)[:, 2 * PIECE :].sum(), x)
    assert far[0, : 2 * PIECE - 2].any() or name.startswith("dmm"), "without pieces the past does get one"


@pytest.mark.parametrize("name", CHAINS)
def test_pieces_change_the_gradient_of_the_weights(name: str) -> None:
    a, b = (gradients(model, bound(model, data(), None)) for model in pair(name))
    assert any(not torch.allclose(ours, whole, atol=1e-8) for ours, whole in zip(a, b, strict=True))


@pytest.mark.parametrize("cell", ["gru", "lstm", "rectifier"])
def test_a_recurrence_in_pieces(cell: str) -> None:
    """Pieces of one step, of all steps, and at places of each row's own."""
    torch.manual_seed(0)
    network, u = over_time(cell, 3, 8).double(), torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True)
    whole, time = network(u)[0], torch.arange(6)
    for size in (0, 1, 4, 9):
        torch.testing.assert_close(over_pieces(network, u, time, size), whole, rtol=0, atol=1e-12)
    h = over_pieces(network, u, torch.stack([time, time + 1]), 4)
    (reach,) = torch.autograd.grad(h[:, -1].sum(), u)
    assert (reach.abs().sum(2) > 0).tolist() == [[False] * 4 + [True] * 2, [False] * 3 + [True] * 3]


def test_a_piece_begins_with_a_tick_of_every_level() -> None:
    with pytest.raises(HvaeError, match="model.truncate: expected a multiple of the slowest stride 4, so .* got 6"):
        CWVAEConfig(latents=(2, 2), strides=(1, 4), truncate=6)
