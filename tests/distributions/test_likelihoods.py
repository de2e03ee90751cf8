"""Discrete likelihoods: every one sums to one over the grid, draws what it scores, and survives extreme parameters.

Shapes: `L` levels; `M` components; `C` channels; `S` positions.
"""

from __future__ import annotations

import math
from decimal import Decimal, getcontext
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hvae.distributions import Bernoulli, Categorical, DiscretizedLogistic, Distribution, LogisticMixture

BITS = st.sampled_from([1, 4, 5, 8])
# (loc, scale) on [-1, 1] where published code (edge test at 0.99) sums to 1.214, 1.229 and 1.120 over 8 bits.
PUBLISHED = [(0.97, math.log(0.02)), (0.99, math.log(0.005)), (0.0, math.log(0.5))]


def grid(levels: int, channels: int = 1) -> Tensor:
    """Every value of `channels` channels: (L^C, C)."""
    values = torch.arange(levels, dtype=torch.float64) / (levels - 1)
    return torch.cartesian_prod(*[values] * channels).reshape(-1, channels)


def logistic(loc: float, log_scale: float, levels: int) -> DiscretizedLogistic:
    """The same parameters at L positions, so that one call scores every level: value (1, L)."""
    full = torch.full((1, levels), 0.0, dtype=torch.float64)
    return DiscretizedLogistic(full + loc, full + log_scale, levels)


def mixture(
    seed: int, *, n: int = 1, m: int = 3, c: int = 3, levels: int = 4, spread: float = 1.0, log_scale: float = -1.0
) -> LogisticMixture:
    """Random parameters, (M, C, 1) each, shared by n data: equal laws of which all values can be scored at once."""
    g = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(1, *shape, 1, generator=g, dtype=torch.float64).expand(n, *shape, 1)

    return LogisticMixture(
        draw(m),
        loc=spread * draw(m, c),
        log_scale=log_scale + draw(m, c),
        coefficients=draw(m, c * (c - 1) // 2).tanh(),
        levels=levels,
    )


def everywhere(p: LogisticMixture, **replaced: Tensor) -> LogisticMixture:
    parts = {k: getattr(p, k) for k in ("logits", "loc", "log_scale", "coefficients")} | replaced
    return LogisticMixture(**parts, levels=p.levels)


DISCRETE = {
    "bernoulli": lambda: Bernoulli(torch.randn(3, 2, 4, 5)),
    "categorical": lambda: Categorical(torch.randn(3, 6, 2, 4, 5)),
    "logistic": lambda: DiscretizedLogistic(torch.randn(3, 2, 4, 5), torch.randn(3, 2, 4, 5) - 1, 6),
    "dmol": lambda: LogisticMixture(
        torch.randn(3, 4, 4, 5),
        loc=torch.randn(3, 4, 2, 4, 5),
        log_scale=torch.randn(3, 4, 2, 4, 5) - 1,
        coefficients=torch.randn(3, 4, 1, 4, 5).tanh(),
        levels=6,
    ),
}


@pytest.fixture(params=DISCRETE)
def p(request: pytest.FixtureRequest) -> Distribution:
    torch.manual_seed(0)
    return DISCRETE[request.param]()


# --- every discrete likelihood sums to one


@settings(deadline=None)
@given(bits=BITS, loc=st.floats(-3, 3) | st.floats(-1e3, 1e3), log_scale=st.floats(-7, 4) | st.floats(-30, 30))
def test_discretized_logistic_sums_to_one(bits: int, loc: float, log_scale: float) -> None:
    log_p = logistic(loc, log_scale, 2**bits).log_prob(grid(2**bits).T)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("bits", [1, 4, 5, 8])
@pytest.mark.parametrize(("loc", "log_scale"), PUBLISHED)
def test_the_published_failures_sum_to_one(loc: float, log_scale: float, bits: int) -> None:
    one = logistic(loc, log_scale, 2**bits)
    total = one.log_prob(grid(2**bits).T).exp().sum().item()
    parts = {"logits": torch.zeros(1, 1, 2**bits), "coefficients": torch.zeros(1, 1, 0, 2**bits)}
    same = LogisticMixture(
        **parts, loc=one.loc[:, None, None], log_scale=one.log_scale[:, None, None], levels=2**bits, shape=(2**bits,)
    )
    assert total == pytest.approx(1, abs=1e-6)
    assert same.log_prob(grid(2**bits).T).exp().sum().item() == pytest.approx(1, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    case=st.sampled_from([(1, 2), (1, 16), (1, 32), (1, 256), (2, 2), (2, 4), (2, 16), (3, 2), (3, 3), (3, 8)]),
    spread=st.sampled_from([0.0, 0.5, 1.0, 5.0]),
    log_scale=st.floats(-7, 4),
)
def test_mixture_sums_to_one_over_all_channels(
    seed: int, case: tuple[int, int], spread: float, log_scale: float
) -> None:
    channels, levels = case
    values = grid(levels, channels)  # (L^C, C)
    p = mixture(seed, n=len(values), c=channels, levels=levels, spread=spread, log_scale=log_scale)
    assert p.log_prob(values[..., None]).exp().sum().item() == pytest.approx(1, abs=1e-6)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), bits=BITS, size=st.floats(0, 100))
def test_categorical_and_bernoulli_sum_to_one(seed: int, bits: int, size: float) -> None:
    logits = size * torch.randn(1, 2**bits, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    masses = Categorical(logits.expand(1, -1, 2**bits)).log_prob(grid(2**bits).T).exp()
    coin = Bernoulli(logits[:, 0].expand(1, 2)).log_prob(grid(2).T).exp()
    assert (masses.sum().item(), coin.sum().item()) == pytest.approx((1, 1), abs=1e-6)


def test_single_precision_sums_to_one_too() -> None:
    values = grid(256).T.float()
    for loc, log_scale in [*PUBLISHED, (0.3, -7.0), (-1.0, -7.0), (5.0, 0.0)]:
        p = DiscretizedLogistic(torch.full((1, 256), loc), torch.full((1, 256), log_scale), 256)
        assert p.log_prob(values).exp().sum().item() == pytest.approx(1, abs=5e-6), (loc, log_scale)


# --- values by hand


def test_a_uniform_model_scores_exactly_eight_bits() -> None:
    values = torch.arange(256).view(1, 1, 16, 16) / 255
    bits = -Categorical(torch.zeros(1, 256, 1, 16, 16)).log_prob(values) / math.log(2)
    torch.testing.assert_close(bits, torch.full_like(bits, 8), atol=1e-6, rtol=0)


def test_bernoulli_by_hand() -> None:
    logits = torch.tensor([[math.log(3), math.log(3)]], dtype=torch.float64)
    log_p = Bernoulli(logits).log_prob(torch.tensor([[1.0, 0.0]]))
    torch.testing.assert_close(log_p.exp(), torch.tensor([[0.75, 0.25]], dtype=torch.float64))


@pytest.mark.parametrize("k", [0, 1, 100, 200, 254, 255])
@pytest.mark.parametrize(("loc", "scale"), [(-1.0, 1e-3), (0.97, 0.02), (0.2, 5.0), (0.2, 3000.0), (1.5, 0.01)])
def test_bins_far_in_the_tail_are_exact(k: int, loc: float, scale: float) -> None:
    """Against 1000 digits, where the plain difference of two sigmoids loses nothing."""
    getcontext().prec = 1000
    mu, s, x, h = Decimal(loc), Decimal(scale), Decimal(2 * k) / 255 - 1, 1 / Decimal(255)

    def cdf(y: Decimal) -> Decimal:
        return 1 / (1 + (-(y - mu) / s).exp())

    mass = (Decimal(1) if k == 255 else cdf(x + h)) - (Decimal(0) if k == 0 else cdf(x - h))
    expected = float(mass.ln())
    for dtype, rtol in ((torch.float64, 1e-10), (torch.float32, 1e-4)):
        t = torch.full((1, 1), loc, dtype=dtype)
        p = DiscretizedLogistic(t, torch.full_like(t, math.log(scale)), 256)
        assert p.log_prob(torch.full((1, 1), k / 255)).item() == pytest.approx(expected, rel=rtol, abs=rtol)


def test_mixture_against_plain_python() -> None:
    p = mixture(7, m=2, c=3, levels=32)
    levels, x = p.levels, [3, 17, 31]

    def sigmoid(t: float) -> float:
        return 1 / (1 + math.exp(-t))

    def mass(k: int, mu: float, s: float) -> float:
        low, high = (2 * k - 1) / (levels - 1) - 1, (2 * k + 1) / (levels - 1) - 1
        below = sigmoid((low - mu) / s) if k > 0 else 0.0
        return (sigmoid((high - mu) / s) if k < levels - 1 else 1.0) - below

    weights = [math.exp(p.logits[0, m, 0].item()) for m in range(2)]
    total = 0.0
    for m in range(2):
        r, g, _ = (2 * k / (levels - 1) - 1 for k in x)
        loc, a = p.loc[0, m, :, 0].tolist(), p.coefficients[0, m, :, 0].tolist()
        means = [loc[0], loc[1] + a[0] * r, loc[2] + a[1] * r + a[2] * g]
        term = weights[m] / sum(weights)
        for k, mu, log_s in zip(x, means, p.log_scale[0, m, :, 0].tolist(), strict=True):
            term *= mass(k, mu, math.exp(log_s))
        total += term
    value = torch.tensor(x, dtype=torch.float64).view(1, 3, 1) / (levels - 1)
    assert p.log_prob(value).item() == pytest.approx(math.log(total), abs=1e-10)


# --- what is drawn is what is scored


def test_shapes_and_samples_on_the_grid(p: Distribution) -> None:
    top = getattr(p, "levels", 2) - 1
    assert p.density is False
    assert p.log_prob(p.sample()).shape == ((3, 4, 5) if isinstance(p, LogisticMixture) else (3, 2, 4, 5))
    for value in (p.sample(), p.mode()):
        assert value.shape == (3, 2, 4, 5)
        assert value.min() >= 0 and value.max() <= 1
        torch.testing.assert_close(value * top, (value * top).round(), atol=1e-5, rtol=0)
    assert p.mean().shape == (3, 2, 4, 5) and p.mean().min() >= 0 and p.mean().max() <= 1
    assert p.penalty().eq(0).all()
    assert type(p).__name__ in repr(p) and "(3, " in repr(p)


FREQUENCIES = {
    "bernoulli": (Bernoulli(torch.full((1, 1), 0.7)), 2),
    "categorical": (Categorical(torch.tensor([[[0.3], [-1.0], [2.0], [0.0]]])), 4),
    "logistic": (DiscretizedLogistic(torch.full((1, 1), 0.4), torch.full((1, 1), -0.7), 5), 5),
    "logistic-out-of-range": (DiscretizedLogistic(torch.full((1, 1), 1.5), torch.full((1, 1), 0.0), 5), 5),
}
N = 40_000


def expected_counts(observed: Tensor, log_p: Tensor) -> None:
    """Counts of each value within 5 standard deviations of N exp(log_p)."""
    mass = log_p.exp().flatten()
    spread = (N * mass * (1 - mass)).sqrt()
    assert ((observed - N * mass).abs() <= 5 * spread + 1).all(), (observed, N * mass)


@pytest.mark.parametrize("name", FREQUENCIES)
def test_frequencies_of_samples(name: str) -> None:
    p, levels = FREQUENCIES[name]
    parts = {k: v.expand(N, *v.shape[1:]) for k, v in vars(p).items() if isinstance(v, Tensor)}
    many = type(p)(**parts, **({"levels": levels} if name.startswith("logistic") else {}))
    torch.manual_seed(3)
    observed = torch.bincount((many.sample() * (levels - 1)).round().long().flatten(), minlength=levels)
    expected_counts(observed, torch.cat([p.log_prob(v[None].float()) for v in grid(levels)]))


def test_joint_frequencies_of_the_mixture() -> None:
    """Three channels at once: the channels are drawn one after the other, scored all at once."""
    torch.manual_seed(4)
    p, values = mixture(5, n=N, c=3, levels=3), grid(3, 3)
    index = (p.sample()[..., 0] * 2).round().long() @ torch.tensor([9, 3, 1])  # (N, 3) -> (N,)
    log_p = mixture(5, n=27, c=3, levels=3).log_prob(values[..., None])
    expected_counts(torch.bincount(index, minlength=27), log_p)


def test_exact_means() -> None:
    for levels, loc, log_scale in product((2, 5, 32), (-2.0, 0.3, 0.9), (-5.0, 0.0)):
        p = logistic(loc, log_scale, levels)
        by_hand = (p.log_prob(grid(levels).T).exp() * grid(levels).T).sum().item()
        assert p.mean()[0, 0].item() == pytest.approx(by_hand, abs=1e-9)
    logits = torch.randn(2, 4, 3, dtype=torch.float64)
    by_hand = (logits.softmax(1) * grid(4).view(1, 4, 1)).sum(1)
    torch.testing.assert_close(Categorical(logits).mean(), by_hand)


def test_mean_of_a_narrow_mixture_is_that_of_its_samples() -> None:
    torch.manual_seed(6)
    p = mixture(11, n=N, c=3, levels=256, spread=0.2, log_scale=-7.0)
    error = p.mean()[0] - p.sample().mean(0)
    assert error.abs().max() < 0.02


def test_low_temperature_draws_the_mode(p: Distribution) -> None:
    torch.testing.assert_close(p.tempered(1e-5).sample(), p.mode())
    x = p.sample()
    torch.testing.assert_close(p.tempered(1.0).log_prob(x), p.log_prob(x))


def test_mode_by_hand() -> None:
    torch.testing.assert_close(logistic(0.41, -2.0, 11).mode()[0, 0].item(), 0.7)
    m = mixture(1, m=2, c=2, levels=11)
    fixed = everywhere(
        m,
        logits=torch.tensor([[[0.0], [1.0]]], dtype=torch.float64),
        loc=torch.tensor([[[[0.0], [0.0]], [[0.41], [0.0]]]], dtype=torch.float64),
        coefficients=torch.full((1, 2, 1, 1), 0.5, dtype=torch.float64),
    )
    # Second component: 0.41 rounds to 0.4 (level 7), so the second channel is 0.5 * 0.4 = 0.2 (level 6).
    torch.testing.assert_close(fixed.mode().flatten(), torch.tensor([0.7, 0.6], dtype=torch.float64))


# --- arithmetic


def test_single_precision_agrees_with_double() -> None:
    torch.manual_seed(8)
    p = mixture(9, n=64, m=10, c=3, levels=256, log_scale=-3.0)
    x = torch.randint(0, 256, (64, 3, 1)) / 255
    parts = {k: getattr(p, k).float() for k in ("logits", "loc", "log_scale", "coefficients")}
    torch.testing.assert_close(everywhere(p, **parts).log_prob(x).double(), p.log_prob(x), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("log_scale", [-7.0, 0.0, 7.0, 40.0])
@pytest.mark.parametrize("loc", [0.0, 1.0, -30.0, 1e4, -1e10])
def test_gradients_are_finite_at_extremes(loc: float, log_scale: float) -> None:
    leaves = {
        "logits": torch.tensor([0.0, 300.0]).view(1, 2, 1).repeat(1, 1, 256),
        "loc": torch.full((1, 2, 2, 256), loc),
        "log_scale": torch.full((1, 2, 2, 256), log_scale),
        "coefficients": torch.ones(1, 2, 1, 256),
    }
    leaves = {k: v.requires_grad_() for k, v in leaves.items()}
    value = torch.stack([grid(256).T.float(), grid(256).T.float().flip(1)], 1)  # (1, 2, 256)
    log_p = LogisticMixture(**leaves, levels=256).log_prob(value)
    log_p.sum().backward()
    assert log_p.isfinite().all() and (log_p <= 0).all()
    assert all(v.grad.isfinite().all() for v in leaves.values())


def test_gradients_are_right() -> None:
    value = torch.tensor([[[0.0], [1.0], [2 / 3]]], dtype=torch.float64)

    def log_prob(logits: Tensor, loc: Tensor, log_scale: Tensor, coefficients: Tensor) -> Tensor:
        p = LogisticMixture(logits, loc=loc, log_scale=log_scale, coefficients=coefficients, levels=4)
        return p.log_prob(value)

    p = mixture(2, m=2, c=3, levels=4)
    leaves = [t.clone().requires_grad_() for t in (p.logits, p.loc, p.log_scale, p.coefficients)]
    assert torch.autograd.gradcheck(log_prob, leaves)


def test_detach_stops_gradients(p: Distribution) -> None:
    leaves = [v.requires_grad_() for v in vars(p).values() if isinstance(v, Tensor)]
    x = p.sample().detach()
    assert leaves and p.log_prob(x).requires_grad and not p.detach().log_prob(x).requires_grad
    torch.testing.assert_close(p.detach().log_prob(x), p.log_prob(x).detach())


class Score(nn.Module):
    """log_prob, a draw and the pictures as a function of tensors, which is what compilers take."""

    def __init__(self, p: Distribution) -> None:
        super().__init__()
        self.kind, rest = type(p), {k: v for k, v in vars(p).items() if not isinstance(v, Tensor)}
        self.rest = {} if self.kind is Categorical else rest  # it reads its levels off the logits

    def forward(self, parts: dict[str, Tensor], x: Tensor) -> tuple[Tensor, ...]:
        p = self.kind(**parts, **self.rest)
        return p.log_prob(x), p.sample(), p.mode(), p.mean()


def test_compiles_and_exports(p: Distribution) -> None:
    parts = {k: v for k, v in vars(p).items() if isinstance(v, Tensor)}
    x, score = p.sample(), Score(p)
    expected = score(parts, x)
    compiled = torch.compile(score, fullgraph=True, backend="aot_eager")
    for run in (compiled, torch.export.export(score, (parts, x)).module()):
        got = run(parts, x)
        assert got[1].shape == x.shape
        torch.testing.assert_close([got[i] for i in (0, 2, 3)], [expected[i] for i in (0, 2, 3)])
    torch.compiler.reset()


def test_an_unrounded_draw_is_the_same_draw_before_rounding() -> None:
    p = mixture(0, n=64, m=3, c=1, levels=8)
    torch.manual_seed(5)
    exact = p.unrounded()
    torch.manual_seed(5)
    torch.testing.assert_close((7 * exact).round() / 7, p.sample())
    assert 0 <= exact.min() < exact.max() <= 1
