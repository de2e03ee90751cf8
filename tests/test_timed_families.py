"""Every family of sequences x what only walks in time promise."""

from __future__ import annotations

import pytest
import torch
from families import RECURRENT, SEQUENCE, TIMED, data, family
from torch import Tensor

from hvae import Datum, build
from hvae.config import VRNNConfig
from hvae.distributions import Flowed
from hvae.draw import each, given, posterior, prior
from hvae.errors import HvaeError
from hvae.site import pin
from hvae.walk import Model, names, run

STEPS = SEQUENCE[0]


@pytest.fixture(params=TIMED)
def model(request: pytest.FixtureRequest) -> Model:
    return family(request.param)


def padded(x: Tensor, padding: float) -> Datum:
    """Sequences of 4, 3 and 1 steps, and so much behind them."""
    x, lengths = x.clone(), torch.tensor([STEPS, 3, 1])
    x[1, 3:], x[2, 1:] = padding, padding
    return Datum(x, lengths=lengths)


def test_generation_is_the_walk_that_reads(model: Model) -> None:
    """What was generated step by step scores the same, under the same priors, when it is read all at once."""
    made = run(model, prior(), n=2)
    latents = {pin(record.key): record.value for record in made.latents}
    again = run(model, given(latents), model.evidence(made.x))
    for record in made.latents:
        before, after = (
            law.base if isinstance(law, Flowed) else law for law in (record.p, again.records[record.key].p)
        )
        torch.testing.assert_close(after.loc, before.loc)
    torch.testing.assert_close(again.log_likelihood(), made.log_likelihood())
    torch.testing.assert_close(model.picture(again), model.picture(made))


def test_any_number_of_steps(model: Model) -> None:
    for steps in (1, 9):
        made = run(model, prior(), model.nothing(2, steps=steps))
        assert made.x.shape == (2, steps, SEQUENCE[1])
        assert model(made.x).elbo().isfinite().all()


def test_padding_enters_no_number(model: Model) -> None:
    x, numbers = data(3, SEQUENCE), []
    for padding in (0.0, 1.0):
        torch.manual_seed(0)
        trace = model(padded(x, padding))
        trace.elbo().sum().backward()
        gradients = torch.cat([w.grad.flatten() for w in model.parameters()])
        model.zero_grad()
        numbers.append(torch.cat([trace.elbo(), trace.log_weight(), *trace.rates().values(), gradients]))
    assert torch.equal(*numbers)


def test_a_padded_sequence_is_the_sequence_alone(model: Model) -> None:
    """Among longer ones a sequence has the numbers that it has by itself."""
    batch = padded(data(3, SEQUENCE), 1.0)
    trace = model(batch)
    for row, length in enumerate(batch.lengths.tolist()):
        alone = model.evidence(batch.x[row : row + 1, :length])
        keys = [pin(record.key) for record in run(model, posterior, alone).latents]
        again = run(model, given({key: trace[key].value[row : row + 1] for key in keys}), alone)
        torch.testing.assert_close(again.elbo(), trace.elbo()[row : row + 1])
        torch.testing.assert_close(again.log_weight(), trace.log_weight()[row : row + 1])


def test_each_level_redrawn_costs_nothing(model: Model) -> None:
    evidence = model.evidence(padded(data(3, SEQUENCE), 0.0))
    for name in names(model):
        trace = run(model, each({name: prior()}, posterior), evidence)
        assert not trace.rates()[name].any()


LIKELIHOODS = [
    ("dmol", (4, 3), 8),
    ("dmol", (4, 1), 16),
    ("logistic", (4, 3), 16),
    ("categorical", (4, 2), 4),
    ("dmol", (4, 3, 5, 6), 8),
    ("predictive", (4, 12), 16),
    ("normal", (4, 3), 0),
    ("student", (4, 3), 0),
    ("student", (4, 3, 5, 6), 0),
    ("normal-mixture", (4, 3), 0),
]


@pytest.mark.parametrize(("likelihood", "shape", "bits"), LIKELIHOODS)
def test_each_likelihood_of_a_step(likelihood: str, shape: tuple[int, ...], bits: int) -> None:
    """All steps at once or one by one, with what lies beyond the end left out."""
    config = VRNNConfig(**RECURRENT, likelihood=likelihood, mixtures=3)
    model = build(config, shape, bits).double().eval()
    made = run(model, prior(), n=3)
    assert made.x.shape == (3, *shape)
    if bits:
        levels = made.x * (2**bits - 1)
        torch.testing.assert_close(levels, levels.round(), atol=1e-6, rtol=0)
    latents = {key: value for key, value in made.values().items() if key[0] == "z"}
    torch.testing.assert_close(
        run(model, given(latents), model.evidence(made.x)).log_likelihood(), made.log_likelihood()
    )
    short = run(model, given(latents), model.evidence(padded(made.x, 0.0)))
    part = sum(record.log_likelihood() * (padded(made.x, 0.0).lengths > record.step) for record in made.observed)
    torch.testing.assert_close(short.log_likelihood()[0], part[0])
    assert short.log_likelihood()[2] > made.log_likelihood()[2] or bits == 0
    model.prepare(padded(made.x, 0.0))


@pytest.mark.parametrize(
    ("likelihood", "shape", "bits", "line"),
    [
        ("bernoulli", (4, 3), 0, "bernoulli is no likelihood of real-valued data; choose one of normal"),
        ("normal", (4, 3), 8, "normal is no likelihood of 8-bit data"),
        ("normal-mixture", (4, 3, 5, 5), 0, r"normal-mixture is a likelihood of vectors"),
        ("bernoulli", (4, 3), 8, "expected binary data"),
    ],
)
def test_likelihoods_that_do_not_fit_the_data(likelihood: str, shape: tuple[int, ...], bits: int, line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        build(VRNNConfig(likelihood=likelihood), shape, bits)
