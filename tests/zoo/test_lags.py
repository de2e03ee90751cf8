"""The mean of real numbers that starts from their own last values."""

from __future__ import annotations

import pytest
import torch

from hvae import Datum, build, given, posterior, prior, run
from hvae.config.sequences import LaggedConfig, SRNNConfig, VRNNConfig
from hvae.errors import HvaeError
from hvae.metrics import filtered
from hvae.models.recurrent import Recurrent
from hvae.nn.recurrence import Lags
from hvae.site import pin

STEPS, D = 40, 3
FAMILIES = {
    "vrnn": VRNNConfig(likelihood="normal", latent=2, state=5, width=5, lags=2),
    "srnn": SRNNConfig(likelihood="normal", latent=2, state=5, width=5, lags=3),
    "srnn-student": SRNNConfig(likelihood="student", latent=2, state=5, width=5, lags=2),
}


@pytest.fixture(params=FAMILIES)
def model(request: pytest.FixtureRequest) -> Recurrent:
    torch.manual_seed(0)
    return lagged(FAMILIES[request.param])


def lagged(config: LaggedConfig) -> Recurrent:
    model = build(config, (STEPS, D), bits=0).double().eval()
    assert isinstance(model, Recurrent)
    return model


def series(n: int = 4) -> torch.Tensor:
    """x_{t+1} = 1.6 x_t - 0.7 x_{t-1} and noise, which makes the weights known."""
    steps = [torch.randn(n, D, dtype=torch.float64) for _ in range(2)]
    for _ in range(STEPS - 2):
        steps.append(1.6 * steps[-1] - 0.7 * steps[-2] + 0.3 * torch.randn(n, D, dtype=torch.float64))
    return torch.stack(steps, 1)


def test_generation_is_the_walk_that_reads(model: Recurrent) -> None:
    made = run(model, prior(), n=2)
    again = run(model, given({pin(r.key): r.value for r in made.latents}), model.evidence(made.x))
    torch.testing.assert_close(again.log_likelihood(), made.log_likelihood())
    torch.testing.assert_close(model.picture(again), model.picture(made))


def test_step_by_step_is_the_walk(model: Recurrent) -> None:
    evidence = model.evidence(series())
    torch.manual_seed(1)
    stepwise = filtered(model, evidence, 1, threshold=0.0)
    torch.manual_seed(1)
    torch.testing.assert_close(stepwise, run(model, posterior, evidence).log_weight())


def test_training_starts_at_the_best_autoregression(model: Recurrent) -> None:
    """Padding, which is far off, says nothing of it."""
    x, lengths = series(64), torch.full((64,), STEPS)
    lengths[0], x[0, 30:] = 30, 1000.0
    model.prepare(Datum(x, lengths=lengths))
    assert model.lags is not None
    wanted = torch.zeros_like(model.lags.weight)
    wanted[0], wanted[1] = 1.6, -0.7
    torch.testing.assert_close(model.lags.weight, wanted, atol=0.2, rtol=0)
    torch.testing.assert_close(model.lags.scale, torch.full_like(model.lags.scale, 0.3), atol=0.1, rtol=0)


def test_without_a_word_of_the_network_it_is_the_autoregression() -> None:
    model = lagged(FAMILIES["vrnn"])
    for weight in model.leave.parameters():
        weight.data.zero_()
    assert model.lags is not None
    model.lags.weight.data = torch.tensor([[1.6], [-0.7]], dtype=torch.float64).repeat(1, D)
    x = series()
    record = model(x).observed[0]
    before = torch.cat([x[:, :1], x], 1)  # the first step stands for the one before it
    expected = 1.6 * x[:, :-1] - 0.7 * before[:, :-2]
    torch.testing.assert_close(record.law.mean()[:, 1:], expected)
    assert not record.law.mean()[:, 0].any()


def test_a_silent_network_leaves_the_autoregression_and_its_error() -> None:
    """The nats are those of AR(2) with a Gaussian rest, but for the first step, a standard normal."""
    model, x = lagged(FAMILIES["vrnn"]), series(64)
    model.prepare(Datum(x))
    for weight in model.leave.parameters():
        weight.data.zero_()
    assert model.lags is not None
    rest = x[:, 1:] - model.lags.locations(x)[:, :-1]
    expected = torch.distributions.Normal(0, model.lags.scale).log_prob(rest).sum((1, 2))
    first = torch.distributions.Normal(0, 1).log_prob(x[:, 0]).sum(1)
    torch.testing.assert_close(model(x).log_likelihood(), first + expected)


def test_numbers_that_never_move_have_weights_all_the_same() -> None:
    lags = Lags(2, 1)
    lags.begin(torch.zeros(2, 5, 1), None)
    assert lags.weight.isfinite().all() and lags.scale > 0


def test_sequences_of_one_step_leave_the_start() -> None:
    for x, lengths in ((torch.rand(3, 1, 2), None), (torch.rand(3, 4, 2), torch.ones(3, dtype=torch.int64))):
        lags = Lags(2, 2)
        lags.begin(x, lengths)
        assert lags.weight.tolist() == [[1.0, 1.0], [0.0, 0.0]] and lags.scale.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("likelihood", ["bernoulli", "normal-mixture", "dmol"])
def test_only_laws_with_a_location_are_moved(likelihood: str) -> None:
    with pytest.raises(HvaeError, match=rf"model.lags: predicts real numbers, got likelihood {likelihood}"):
        SRNNConfig(likelihood=likelihood, lags=1)
