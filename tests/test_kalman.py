"""The walk in time against the Kalman filter: a linear-Gaussian state space whose exact posterior is its level's q."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from hvae import Datum, build, posterior, prior, run
from hvae.config import VRAEConfig
from hvae.distributions import Normal
from hvae.errors import HvaeError
from hvae.levels import Level, Replace
from hvae.levels.heads import Head
from hvae.metrics import filter_bounds, filtered
from hvae.models.conditioning import Unconditional
from hvae.models.recurrent import Recurrent
from hvae.nn import Constant
from hvae.nn.recurrence import NoInput
from hvae.objectives import FIVO, IWAE
from hvae.objectives.loss import Loss
from hvae.particles import _ancestors
from hvae.range import ANY
from hvae.zoo.dmm import Keep

STEPS, SEEN, D = 5, 4, 2
GAIN = torch.tensor([0.9, -0.6], dtype=torch.float64)
WIDTH = torch.tensor([1.4, 0.8], dtype=torch.float64)
NOISE, STEP_NOISE = 0.5, 0.7  # of x_t given z_t, and of z_t given z_{t-1}; z_0 = 0
BASIS = torch.linalg.qr(torch.randn(SEEN, D, generator=torch.Generator().manual_seed(1), dtype=torch.float64))[0]


class Project(nn.Module):
    """What x_t says of z_t: its coordinates on the basis, which have noise of their own alone."""

    def forward(self, x: Tensor) -> Tensor:
        return x @ BASIS


class Messages(nn.Module):
    """What x_t and all that follow say of z_t: a precision times a mean, and the precision, side by side."""

    def forward(self, u: Tensor, c: Tensor, lengths: Tensor | None) -> Tensor:
        mean, precision, series = torch.zeros_like(u[:, 0]), torch.zeros_like(u[:, 0]), []
        for t in reversed(range(u.shape[1])):
            exists = torch.ones(len(u), 1) if lengths is None else (lengths > t)[:, None]
            mean = mean + exists * u[:, t] * WIDTH / NOISE**2
            precision = precision + exists * WIDTH**2 / NOISE**2
            series.insert(0, torch.cat([mean, precision], 1))
            through = GAIN / (1 + STEP_NOISE**2 * precision)
            mean, precision = through * mean, through * GAIN * precision
        return torch.stack(series, 1)


class Transition(nn.Module):
    def forward(self, z: Tensor) -> tuple[Normal, Tensor]:
        return Normal(GAIN * z, torch.full_like(z, STEP_NOISE)), z


class Fused(nn.Module):
    """The prior times the message, moved and widened by so much."""

    def __init__(self, shift: float, widening: float) -> None:
        super().__init__()
        self.shift, self.widening = shift, widening

    def forward(self, h: Tensor, e: Tensor, p: Normal) -> Normal:
        mean, precision = e.chunk(2, 1)
        total = p.scale**-2 + precision
        return Normal((p.loc * p.scale**-2 + mean) / total + self.shift, total**-0.5 * self.widening)


class Emission(Head):
    def read(self, raw: Tensor) -> Normal:
        loc = (raw * WIDTH) @ BASIS.T
        return Normal(loc, torch.full_like(loc, NOISE))


def state_space(shift: float = 0.0, widening: float = 1.0) -> Recurrent:
    level = Level("z", prior=Transition(), posterior=Fused(shift, widening), absorb=Replace(nn.Identity()))
    return Recurrent(
        (STEPS, SEEN),
        limits=ANY,
        embed=Project(),
        past=NoInput(),
        past_width=0,
        reader=Messages(),
        first=Constant((D,)),
        enter=Keep(),
        level=level,
        leave=nn.Identity(),
        head=Emission((D,), D),
        condition=Unconditional(),
    ).double()


def kalman(x: Tensor) -> Tensor:
    """log p(x_{1:T}) of one sequence (T, X), by the filter."""
    a, c = torch.diag(GAIN), BASIS * WIDTH
    mean, cov, total = torch.zeros(D, dtype=x.dtype), torch.zeros(D, D, dtype=x.dtype), torch.zeros((), dtype=x.dtype)
    for seen in x:
        mean, cov = a @ mean, a @ cov @ a.T + STEP_NOISE**2 * torch.eye(D, dtype=x.dtype)
        innovation = c @ cov @ c.T + NOISE**2 * torch.eye(SEEN, dtype=x.dtype)
        total = total + torch.distributions.MultivariateNormal(c @ mean, innovation).log_prob(seen)
        gain = cov @ c.T @ innovation.inverse()
        mean, cov = mean + gain @ (seen - c @ mean), cov - gain @ c @ cov
    return total


def sequences() -> Datum:
    x = run(state_space(), prior(), n=4).x
    return Datum(x, lengths=torch.tensor([STEPS, 3, 1, STEPS]))


def exact(data: Datum) -> Tensor:
    return torch.stack([kalman(x[:length]) for x, length in zip(data.x, data.lengths.tolist(), strict=True)])


def test_at_the_exact_posterior_each_weight_is_the_evidence() -> None:
    """Then the bound, and the importance-weighted one of any number of samples, is log p(x)."""
    data = sequences()
    log_w = run(state_space(), posterior, state_space().evidence(data).repeat(7)).log_weight().view(4, 7)
    torch.testing.assert_close(log_w, exact(data)[:, None].expand(4, 7), atol=1e-9, rtol=0)


def test_the_bound_has_the_evidence_as_its_mean_there() -> None:
    data, k = sequences(), 4000
    elbo = run(state_space(), posterior, state_space().evidence(data).repeat(k)).elbo().view(4, k)
    assert ((elbo.mean(1) - exact(data)).abs() < 5 * elbo.std(1) / math.sqrt(k)).all()


def test_bounds_rise_towards_the_evidence_with_the_samples() -> None:
    data, model, groups = sequences(), state_space(0.3, 1.3), 800
    log_w = run(model, posterior, model.evidence(data).repeat(64 * groups)).log_weight().view(4, groups, 64)
    iwae = {k: log_w[..., :k].logsumexp(2) - math.log(k) for k in (1, 8, 64)}
    means = [iwae[k].mean(1) for k in (1, 8, 64)]
    assert (means[0] < means[1]).all() and (means[1] < means[2]).all()
    error = iwae[64].std(1) / math.sqrt(groups)
    assert (means[2] < exact(data) + 5 * error).all() and (exact(data) - means[0] > 0.1).all()


def test_padding_says_nothing() -> None:
    data = sequences()
    other = data.x.clone()
    other[1, 3:], other[2, 1:] = 9.0, -9.0
    numbers = []
    for x in (data.x, other):
        torch.manual_seed(0)
        numbers.append(state_space()(Datum(x, lengths=data.lengths)).log_weight())
    assert torch.equal(*numbers)


# --- The particle filter


def test_without_resampling_the_filter_is_the_importance_weighted_bound() -> None:
    data, model, k = sequences(), state_space(0.3, 1.3), 5
    torch.manual_seed(3)
    stepwise = filtered(model, model.evidence(data), k, threshold=0.0)
    torch.manual_seed(3)
    log_w = run(model, posterior, model.evidence(data).repeat(k)).log_weight().view(4, k)
    torch.testing.assert_close(stepwise, log_w.logsumexp(1) - math.log(k))


@pytest.mark.parametrize("threshold", [0.5, 1.0])
def test_the_estimate_of_the_filter_is_unbiased(threshold: float) -> None:
    """E[p^(x)] = p(x), and so E[log p^(x)] < log p(x), whatever the rule, and at the exact posterior too."""
    data, k, repeats = sequences(), 4, 4000
    for model in (state_space(), state_space(0.3, 1.3)):
        fivo = filtered(model, model.evidence(data).repeat(repeats), k, threshold=threshold).view(4, repeats)
        ratio = (fivo - exact(data)[:, None]).exp()
        # A short sequence may never have been resampled, and then every estimate at the exact posterior is exact.
        assert ((ratio.mean(1) - 1).abs() < 5 * ratio.std(1) / math.sqrt(repeats) + 1e-9).all()
        assert (fivo.mean(1)[[0, 3]] < exact(data)[[0, 3]]).all()


def test_padding_does_not_enter_the_filter() -> None:
    data = sequences()
    other = data.x.clone()
    other[1, 3:], other[2, 1:] = 9.0, -9.0
    bounds = []
    for x in (data.x, other):
        torch.manual_seed(0)
        model = state_space(0.3, 1.3)
        bounds.append(filtered(model, model.evidence(Datum(x, lengths=data.lengths)), 4))
    assert torch.equal(*bounds)


def fivo_loss(model: Recurrent, data: Datum, objective: FIVO, seed: int = 3) -> Loss:
    torch.manual_seed(seed)
    rows = model.evidence(data).repeat(objective.samples)
    return objective(objective.loop(model, posterior, rows), 0)


class Learned(Fused):
    """The fused posterior with weights for its shift and widening."""

    def __init__(self, shift: float, widening: float) -> None:
        super().__init__(shift, widening)
        self.shift = nn.Parameter(torch.tensor(shift))
        self.widening = nn.Parameter(torch.tensor(widening))


def learned() -> Recurrent:
    model = state_space(0.3, 1.3)
    model.level.posterior = Learned(0.3, 1.3)
    return model.double()


def test_without_resampling_the_objective_is_the_importance_weighted_one() -> None:
    """Value and gradient, at the same noise."""
    data, model = sequences(), learned()
    weights = list(model.parameters())
    fivo = fivo_loss(model, data, FIVO(4, threshold=0.0))
    torch.manual_seed(3)
    iwae = IWAE(4)(run(model, posterior, model.evidence(data).repeat(4)), 0)
    torch.testing.assert_close(fivo.total, iwae.total)
    ours, theirs = (torch.autograd.grad(loss.total, weights) for loss in (fivo, iwae))
    torch.testing.assert_close(ours, theirs)
    for name in ("elbo", "log_likelihood", "rate/z"):
        torch.testing.assert_close(fivo.terms[name], iwae.terms[name])
    assert float(fivo.terms["resampled"]) == 0


def test_the_objective_is_a_bound_and_its_gradient_that_of_the_particles_as_they_were_drawn() -> None:
    """At the same noise and ancestors the gradient is the quotient of differences; E[FIVO] < log p(x)."""
    data, model, objective = sequences(), learned(), FIVO(4, threshold=1.0)
    many = Datum(data.x.repeat(2000, 1, 1), lengths=data.lengths.repeat(2000))
    loss = fivo_loss(model, many, objective)
    assert float(loss.terms["fivo"]) < float(exact(data).mean()) and float(loss.terms["resampled"]) > 1
    few = fivo_loss(model, data, objective)
    for weight in model.parameters():
        (gradient,) = torch.autograd.grad(few.total, weight, retain_graph=True)
        ends = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                weight += step
                ends.append(float(fivo_loss(model, data, objective).total))
                weight -= step
        assert float(gradient) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4)


def test_a_particle_follows_its_ancestor() -> None:
    """Of two particles one of which carries all the weight, both go on from that one's state."""
    log_w = torch.tensor([[0.0, -1e3], [-1e3, 0.0], [0.0, 0.0]])
    assert _ancestors(log_w, torch.tensor([True, True, False])).tolist() == [0, 0, 3, 3, 4, 5]
    drawn = _ancestors(torch.tensor([[0.2, 0.5, 0.3]]).log().repeat(20_000, 1), torch.ones(20_000, dtype=torch.bool))
    shares = (drawn % 3).bincount(minlength=3) / 60_000
    torch.testing.assert_close(shares, torch.tensor([0.2, 0.5, 0.3]), atol=0.01, rtol=0)


def test_weights_that_are_no_numbers_make_a_loss_that_is_none() -> None:
    model, data = state_space(float("nan")), sequences()
    assert fivo_loss(model, data, FIVO(4)).total.isnan()


def test_the_filter_as_a_measure_is_its_own_mean_whatever_is_walked_at_once() -> None:
    data, model = sequences(), state_space(0.3, 1.3)
    many = Datum(data.x.repeat(500, 1, 1), lengths=data.lengths.repeat(500))
    parts = [filter_bounds(model, many.split(1000), 4, chunk_rows=rows, seed=1) for rows in (10**6, 40)]
    for part in parts:
        assert part.data == 2000 and 0 < part.resampled < 1 and -part.negative_fivo_nats.mean < exact(data).mean()
        total = part.negative_fivo_nats.mean * part.data
        assert part.steps.frame_average.mean == pytest.approx(total / (500 * int(data.lengths.sum())))
    spread = math.hypot(*(part.negative_fivo_nats.standard_error for part in parts))
    assert parts[0].negative_fivo_nats.mean == pytest.approx(parts[1].negative_fivo_nats.mean, abs=4 * spread)
    with pytest.raises(HvaeError, match="got no batch"):
        filter_bounds(model, [], 4)


def test_an_objective_of_particles_asks_for_their_trace() -> None:
    model = state_space()
    with pytest.raises(HvaeError, match=r"walk the model by objective\.loop"):
        FIVO(4)(run(model, posterior, model.evidence(sequences()).repeat(4)), 0)
    with pytest.raises(HvaeError, match="each repeated 4 times, got 6 rows"):
        FIVO(4).loop(model, posterior, model.evidence(sequences().x[:2]).repeat(3))
    with pytest.raises(HvaeError, match=r"a threshold in \[0, 1\], got 4 and 1.5"):
        FIVO(4, threshold=1.5)


def test_what_cannot_be_filtered() -> None:
    model = build(VRAEConfig(latents=(2,), state=3, width=3), (STEPS, SEEN), bits=1)
    with pytest.raises(HvaeError, match="a particle filter needs a model that goes step by step"):
        filtered(model, model.evidence(torch.zeros(1, STEPS, SEEN)), 4)
    with pytest.raises(HvaeError, match="at least 1 particle and a threshold in .0, 1., got 0"):
        filtered(state_space(), state_space().evidence(sequences()), 0)
