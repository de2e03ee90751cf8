"""A state space with a known input against the Kalman filter: what a condition does to a walk in time; float64.

    z_t = A z_{t-1} + b_y + noise,   x_t = C z_t + noise,   b = 0 where y is unknown

The posterior is exact: messages from the right are linear in the input.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from test_kalman import BASIS, GAIN, NOISE, SEEN, STEP_NOISE, STEPS, WIDTH, Emission, Project
from torch import Tensor, nn

from hvae import Datum, Evidence, guided, posterior, prior, run
from hvae.condition import Condition
from hvae.distributions import Normal
from hvae.levels import Level, Replace
from hvae.metrics import filtered
from hvae.models.conditioning import Conditioned
from hvae.models.recurrent import Recurrent
from hvae.nn import Constant
from hvae.nn.film import ClassCode, Shift
from hvae.range import ANY

D, CLASSES = 2, 3


class Nothing(nn.Module):
    """No past: what a step hears is its input alone."""

    def forward(self, u: Tensor, carry: None = None) -> tuple[Tensor, None]:
        return torch.zeros_like(u), None


class Beside(nn.Module):
    """[z_{t-1}, b]."""

    def forward(self, m: Tensor, c: Tensor) -> Tensor:
        return torch.cat([m, c], 1)


class Messages(nn.Module):
    """What x_t and all that follow say of z_t: a precision times a mean without input, the precision, and what an input
    takes from the first, side by side."""

    def forward(self, u: Tensor, c: Tensor, lengths: Tensor | None) -> Tensor:
        mean = precision = taken = torch.zeros_like(u[:, 0])
        series: list[Tensor] = []
        for t in reversed(range(u.shape[1])):
            exists = torch.ones(len(u), 1) if lengths is None else (lengths > t)[:, None]
            mean, precision = mean + exists * u[:, t] * WIDTH / NOISE**2, precision + exists * WIDTH**2 / NOISE**2
            series.insert(0, torch.cat([mean, precision, taken], 1))
            through = GAIN / (1 + STEP_NOISE**2 * precision)
            mean, taken, precision = through * mean, through * (taken + precision), through * GAIN * precision
        return torch.stack(series, 1)


class Transition(nn.Module):
    def forward(self, s: Tensor) -> tuple[Normal, Tensor]:
        z, b = s.chunk(2, 1)
        return Normal(GAIN * z + b, torch.full_like(z, STEP_NOISE)), s


class Fused(nn.Module):
    """The prior times the message, moved and widened by so much."""

    def __init__(self, shift: float, widening: float) -> None:
        super().__init__()
        self.shift, self.widening = shift, widening

    def forward(self, s: Tensor, e: Tensor, p: Normal) -> Normal:
        mean, precision, taken = e.chunk(3, 1)
        total = p.scale**-2 + precision
        loc = (p.loc * p.scale**-2 + mean - taken * s[:, D:]) / total
        return Normal(loc + self.shift, total**-0.5 * self.widening)


def state_space(shift: float = 0.0, widening: float = 1.0, drop: float = 0.1) -> Recurrent:
    torch.manual_seed(0)
    condition = Conditioned(
        "label",
        Condition(classes=CLASSES, optional=drop > 0),
        code=ClassCode(CLASSES, 4),
        networks={"past": {"z": Shift(D, 4, 1.0)}, "state": {}, "evidence": {}, "value": {}},
        drop=drop,
    )
    return Recurrent(
        (STEPS, SEEN),
        limits=ANY,
        embed=Project(),
        past=Nothing(),
        past_width=D,
        reader=Messages(),
        first=Constant((D,)),
        enter=Beside(),
        level=Level("z", prior=Transition(), posterior=Fused(shift, widening), absorb=Replace(nn.Identity())),
        leave=nn.Identity(),
        head=Emission((D,), D),
        condition=condition,
    ).double()


def control(model: Recurrent) -> Tensor:
    """b of each class, and of none, (K + 1, D)."""
    codes, shift = model.condition.get_parameter("code.table"), model.condition.get_submodule("networks.past.z")
    assert isinstance(shift, Shift)
    b = (codes @ shift.heard.T).detach()
    return torch.cat([b, torch.zeros(1, D, dtype=b.dtype)])


def kalman(x: Tensor, b: Tensor) -> Tensor:
    """log p(x_{1:T}) of one sequence (T, X) under an input b at every step, by the filter."""
    a, c = torch.diag(GAIN), BASIS * WIDTH
    mean, cov, total = torch.zeros(D, dtype=x.dtype), torch.zeros(D, D, dtype=x.dtype), torch.zeros((), dtype=x.dtype)
    for seen in x:
        mean, cov = a @ mean + b, a @ cov @ a.T + STEP_NOISE**2 * torch.eye(D, dtype=x.dtype)
        innovation = c @ cov @ c.T + NOISE**2 * torch.eye(SEEN, dtype=x.dtype)
        total = total + torch.distributions.MultivariateNormal(c @ mean, innovation).log_prob(seen)
        gain = cov @ c.T @ innovation.inverse()
        mean, cov = mean + gain @ (seen - c @ mean), cov - gain @ c @ cov
    return total


LABELS = torch.tensor([0, 1, 2, -1])


def sequences() -> Datum:
    torch.manual_seed(4)
    x = run(state_space(), prior(), context={"label": LABELS}).x
    return Datum(x, {"label": LABELS}, lengths=torch.tensor([STEPS, 3, STEPS, STEPS]))


def exact(data: Datum) -> Tensor:
    inputs = control(state_space())[data.context["label"]]
    rows = zip(data.x, inputs, data.lengths.tolist(), strict=True)
    return torch.stack([kalman(x[:length], b) for x, b, length in rows])


def test_at_the_exact_posterior_each_weight_is_the_evidence_given_the_class() -> None:
    data = sequences()
    trace = state_space()(data)
    torch.testing.assert_close(trace.log_weight(), exact(data), rtol=1e-10, atol=1e-10)
    blind = replace(data, context={"label": torch.full((4,), -1)})
    torch.testing.assert_close(state_space()(blind).log_weight(), exact(blind), rtol=1e-10, atol=1e-10)
    assert (exact(data) - exact(blind))[:3].abs().min() > 0.1


def test_with_another_posterior_the_bound_is_below_the_evidence_and_the_iwae_bound_nearer() -> None:
    data, model = sequences(), state_space(0.2, 1.2)
    many = model.evidence(data).repeat(4000)
    torch.manual_seed(1)
    log_w = run(model, posterior, many).log_weight().view(4, 4000)
    iwae = log_w.logsumexp(1) - math.log(4000)
    assert (log_w.mean(1) < exact(data) - 0.05).all()
    torch.testing.assert_close(iwae, exact(data), atol=0.1, rtol=0)


def test_the_estimate_of_a_particle_filter_is_unbiased_given_the_class() -> None:
    data, model, repeats = sequences(), state_space(0.2, 1.2), 4000
    torch.manual_seed(2)
    ratio = (filtered(model, model.evidence(data).repeat(repeats), 4).view(4, repeats) - exact(data)[:, None]).exp()
    assert ((ratio.mean(1) - 1).abs() < 5 * ratio.std(1) / math.sqrt(repeats)).all()


def test_samples_have_the_mean_of_their_class() -> None:
    model, n = state_space(), 20_000
    torch.manual_seed(3)
    x = run(model, prior(), n=n, context={"label": 1}).x
    mean, b = torch.zeros(D, dtype=torch.float64), control(model)[1]
    for t in range(STEPS):
        mean = GAIN * mean + b
        spread = x[:, t].std(0) / math.sqrt(n)
        assert ((x[:, t].mean(0) - (BASIS * WIDTH) @ mean).abs() < 5 * spread).all()


def test_guidance_of_every_step_is_an_input_of_another_size() -> None:
    """Of one width and a mean that is linear in the input, guidance by w walks under w b."""
    model, w = state_space(), 2.5
    both = Evidence(2, context={"label": torch.tensor([1, -1])}, horizon=STEPS)
    trace = run(model, guided({"z": w}, prior(0.0)), both)
    mean, b = torch.zeros(D, dtype=torch.float64), control(model)[1]
    for t in range(STEPS):
        mean = GAIN * mean + w * b
        torch.testing.assert_close(trace.records["z", t].value[0], mean)
