"""The ladder above a sequence: what hears what, and its bounds against log p(x) where that is known."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from hvae import Datum, build, forget, given, mode, names, posterior, prior, run
from hvae.config import SeqLadderConfig
from hvae.distributions import Normal
from hvae.errors import HvaeError
from hvae.levels import Level, Replace, StandardPrior
from hvae.levels.heads import Head
from hvae.models.conditioning import Unconditional
from hvae.models.tiers import Chorus, Descent, Tier
from hvae.nn import Constant
from hvae.nn.ticks import Split, only_existing, windows
from hvae.range import ANY
from hvae.site import Pin, pin
from hvae.walk import Model

STEPS, KEYS = 11, 4  # the last windows of 2 and of 4 are cut short
DECODERS = ("factorised", "recurrent", "transformer")


@pytest.fixture(params=DECODERS)
def model(request: pytest.FixtureRequest) -> Model:
    return ladder(request.param)


def ladder(decoder: str) -> Model:
    torch.manual_seed(0)
    config = SeqLadderConfig(latents=(3, 2), strides=(2, 4), width=8, heads=2, state=8, decoder=decoder)
    return build(config, (STEPS, KEYS), bits=1).double().eval()


def rolls(n: int = 2) -> Tensor:
    return torch.bernoulli(torch.full((n, STEPS, KEYS), 0.4, dtype=torch.float64))


def latents(model: Model, x: Tensor) -> dict[Pin, Tensor]:
    return {pin(record.key): record.value for record in model(x, mode).latents}


def changed(a: Tensor, b: Tensor) -> list[bool]:
    """At which steps two series (B, T, ...) differ."""
    return ((a - b).abs().flatten(2).amax((0, 2)) > 1e-12).tolist()


def test_a_tick_at_each_stride(model: Model) -> None:
    assert names(model) == ["z2", "z1"]
    trace = model(Datum(rolls(), lengths=torch.tensor([STEPS, 5])))
    ticks = [(record.name, record.step) for record in trace.latents]
    assert ticks == [*(("z2", t) for t in (0, 4, 8)), *(("z1", t) for t in (0, 2, 4, 6, 8, 10))]
    assert [trace["z1", t].mask.tolist() for t in (4, 6)] == [[True, True], [True, False]]


def test_inference_hears_the_whole_sequence(model: Model) -> None:
    """The last step speaks to the first tick of each level, and changes no prior."""
    x = rolls()
    other = x.clone()
    other[:, -1] = 1 - other[:, -1]
    values = latents(model, x)
    a, b = (run(model, given(values), model.evidence(data)) for data in (x, other))
    for record in a.latents:
        assert not torch.equal(record.q.loc, b.records[record.key].q.loc)
        assert torch.equal(record.p.loc, b.records[record.key].p.loc)


def test_a_latent_changes_what_begins_with_it_or_later(model: Model) -> None:
    x = rolls()
    values = latents(model, x)
    for name, t in (("z2", 4), ("z1", 6)):
        moved = {**values, (name, t): values[name, t] + 1}
        a, b = (run(model, given(some), model.evidence(x)) for some in (values, moved))
        assert changed(a["x"].p.mean(), b["x"].p.mean()) == [False] * t + [True] * (STEPS - t)
        for record in a.latents:
            same = torch.equal(record.p.loc, b.records[record.key].p.loc)
            assert same == (record.name == "z2" or name == "z1" or record.step < t)


def test_a_beginning_has_the_law_that_it_has_in_the_whole(model: Model) -> None:
    """Of any length: so that no latent is told where a sequence ends, and its end token is charged in full."""
    x = rolls()
    values = latents(model, x)
    whole = run(model, given(values), model.evidence(x))
    for length in (1, 4, 7):
        begun = {key: value for key, value in values.items() if key[1] < length}
        part = run(model, given(begun), model.evidence(x[:, :length]))
        torch.testing.assert_close(part["x"].p.mean(), whole["x"].p.mean()[:, :length], rtol=0, atol=1e-12)
        for record in part.latents:
            torch.testing.assert_close(record.p.loc, whole.records[record.key].p.loc, rtol=0, atol=1e-12)


@pytest.mark.parametrize("decoder", DECODERS[1:])
def test_a_decoder_hears_what_it_has_told(decoder: str) -> None:
    model, x, t = ladder(decoder), rolls(), 5
    other = x.clone()
    other[:, t] = 1 - other[:, t]
    values = latents(model, x)
    a, b = (run(model, given(values), model.evidence(data))["x"].p.mean() for data in (x, other))
    assert changed(a, b) == [False] * (t + 1) + [True] * (STEPS - t - 1)
    c, d = (run(model, forget(0.0, given(values)), model.evidence(data))["x"].p.mean() for data in (x, other))
    assert not any(changed(c, d))


def test_a_factorised_decoder_hears_latents_alone() -> None:
    model, x = ladder("factorised"), rolls()
    values = latents(model, x)
    a, b = (run(model, given(values), model.evidence(data))["x"].p.mean() for data in (x, 1 - x))
    assert torch.equal(a, b)
    with pytest.raises(HvaeError, match="no level named 'heard'"):
        run(model, forget(0.5), model.evidence(x))


# --- against log p(x), a sum over a grid

SYMBOLS, SHORT = 3, 2
GRID = torch.linspace(-12, 12, 4001, dtype=torch.float64)


def speaker(decoder: str) -> Model:
    """One latent number above two tokens, and weights that make it matter."""
    torch.manual_seed(3)
    config = SeqLadderConfig(
        likelihood="categorical", latents=(1,), strides=(4,), width=4, heads=2, state=4, decoder=decoder, vocabulary=3
    )
    model = build(config, (SHORT,), bits=2).double().eval()
    with torch.no_grad():
        for weight in model.leave.parameters():
            weight.normal_()
    return model


@torch.no_grad()
def likelihoods(model: Model, x: Tensor) -> Tensor:
    """p(x) of each of some sequences (B, T): p(x, z) summed over a grid of z, as wide as a step of the grid each."""
    rows, width = len(x), float(GRID[1] - GRID[0])
    evidence = model.evidence(x).repeat(len(GRID))
    trace = run(model, given({("z1", 0): GRID.repeat(rows)[:, None]}), evidence)
    joint = trace["x"].log_likelihood() + trace["z1", 0].log_likelihood()
    return joint.view(rows, -1).exp().sum(1) * width


def every_sequence(steps: int) -> Tensor:
    return torch.tensor(list(itertools.product(range(SYMBOLS), repeat=steps)), dtype=torch.float64)


@pytest.mark.parametrize("decoder", DECODERS)
def test_all_sequences_together_have_probability_one(decoder: str) -> None:
    model = speaker(decoder)
    p = likelihoods(model, every_sequence(SHORT))
    assert float(p.sum()) == pytest.approx(1, abs=1e-9) and float(p.max()) > 2 / len(p)
    begun = likelihoods(model, every_sequence(1))
    torch.testing.assert_close(p.view(SYMBOLS, SYMBOLS).sum(1), begun, rtol=0, atol=1e-9)


@pytest.mark.parametrize("decoder", DECODERS)
@torch.no_grad()
def test_bounds_lie_in_order_below_the_evidence(decoder: str) -> None:
    """ELBO < IW-8 < log p(x), and the mean of the weights is p(x)."""
    model, x, k = speaker(decoder), every_sequence(SHORT), 20_000
    log_p = likelihoods(model, x).log()
    torch.manual_seed(0)
    log_w = run(model, posterior, model.evidence(x).repeat(k)).log_weight().view(len(x), k)
    iw = (log_w.view(len(x), -1, 8).logsumexp(2) - math.log(8)).mean(1)
    assert (log_w.mean(1) < iw).all() and (iw < log_p).all()
    ratio = (log_w - log_p[:, None]).exp()
    assert ((ratio.mean(1) - 1).abs() < 5 * ratio.std(1) / math.sqrt(k)).all()


# --- against the evidence of a linear Gaussian, in closed form

GAINS, NOISE = torch.tensor([1.3, -0.7], dtype=torch.float64), 0.6


class Alike(nn.Module):
    """The same state at each tick."""

    def forward(self, state: Tensor, count: int) -> Tensor:
        return state[:, None].expand(-1, count, -1)


class Messages(nn.Module):
    """What the steps of a window that exist say of its latent: a precision times a mean, and the precision."""

    def forward(self, u: Tensor, lengths: Tensor | None) -> dict[str, Tensor]:
        heard, there = (windows(only_existing(series, lengths, 1), 2) for series in (u, torch.ones_like(u)))
        both = [(heard * GAINS).sum(2), (there * GAINS**2).sum(2)]
        return {"z1": torch.stack(both, 2) / NOISE**2}


class Exact(nn.Module):
    def forward(self, h: Tensor, e: Tensor, p: Normal) -> Normal:
        mean, precision = e.chunk(2, 1)
        return Normal(mean / (1 + precision), (1 + precision) ** -0.5)


class Emission(Head):
    def read(self, raw: Tensor) -> Normal:
        return Normal(raw, torch.full_like(raw, NOISE))


def linear() -> Chorus:
    level = Level("z1", prior=StandardPrior((1,)), posterior=Exact(), absorb=Replace(nn.Identity()))
    split = Split(1, 2).double()
    with torch.no_grad():
        split.linear.weight.copy_(GAINS[:, None])
        split.linear.bias.zero_()
    tier = Tier(stride=2, split=nn.Identity(), enter=nn.Identity(), level=level)
    return Chorus(
        (5, 1),
        limits=ANY,
        embed=nn.Identity(),
        reader=Messages(),
        start=Constant((1,)),
        conduct=Descent(number=Alike(), tiers=[tier], split=split, leave=nn.Identity()),
        leave=nn.Identity(),
        head=Emission((1,), 1),
        condition=Unconditional(),
    ).double()


def evidence_of(x: Tensor) -> Tensor:
    """log p(x) of one sequence (T, 1): each window of two is a Gaussian of its own."""
    total = x.new_zeros(())
    for window in x[:, 0].split(2):
        a = GAINS[: len(window)]
        cov = a[:, None] * a + NOISE**2 * torch.eye(len(window), dtype=x.dtype)
        total = total + torch.distributions.MultivariateNormal(torch.zeros_like(window), cov).log_prob(window)
    return total


def test_at_the_exact_posterior_each_weight_is_the_evidence() -> None:
    model, lengths = linear(), torch.tensor([5, 3, 1, 4])
    x = run(model, prior(), n=4).x
    log_w = run(model, posterior, model.evidence(Datum(x, lengths=lengths)).repeat(7)).log_weight()
    exact = torch.stack([evidence_of(one[:length]) for one, length in zip(x, lengths.tolist(), strict=True)])
    torch.testing.assert_close(log_w.view(4, 7), exact[:, None].expand(4, 7), atol=1e-12, rtol=0)


def test_a_level_whose_weights_are_zero() -> None:
    """A residual posterior that says nothing costs nothing, and a likelihood that says nothing log V a token."""
    config = SeqLadderConfig(likelihood="categorical", latents=(2,), strides=(4,), width=8, heads=2, vocabulary=5)
    model = build(config, (6,), bits=3).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    trace = model(torch.arange(12.0).remainder(5).view(2, 6).double())
    assert not trace.rates()["z1"].any()
    torch.testing.assert_close(trace.elbo(), torch.full((2,), -6 * math.log(5), dtype=torch.float64))


# --- what is refused


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"strides": (2, 3), "latents": (4, 4)}, "model.strides: expected each a multiple of the one before"),
        ({"strides": (2, 4), "latents": (4,)}, "model.strides: expected one for each of the 1 levels"),
        ({"width": 100}, "model.width: expected a multiple of twice the 4 heads .* got 100; e.g. 96"),
        ({"state": 90, "decoder": "transformer"}, "model.state: expected a multiple of twice the 4 heads .* got 90"),
    ],
)
def test_sizes_that_do_not_fit(more: dict[str, object], line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        SeqLadderConfig(**more)


def test_images_are_no_sequences() -> None:
    with pytest.raises(HvaeError, match="seqladder needs sequences"):
        build(SeqLadderConfig(), (1, 28, 28), bits=8)
