"""The parts of a level against hand-computed numbers in float64."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from hvae.distributions import Normal, normal_kl
from hvae.errors import HvaeError
from hvae.levels import (
    MERGES,
    VARIANCES,
    Add,
    BoundedResidual,
    Concat,
    DataOnly,
    Join,
    LearnedPrior,
    PrecisionWeighted,
    Replace,
    Residual,
    ResidualMean,
    SplitPrior,
    StandardPrior,
    gaussian,
    merge,
    variance,
)

unit = variance("clamp")


def row(*values: float) -> Tensor:
    return torch.tensor([values], dtype=torch.float64)


@pytest.mark.parametrize("kind", VARIANCES)
@given(raw=st.floats(-1e4, 1e4))
def test_scales_are_positive_finite_and_monotone(kind: str, raw: float) -> None:
    a, b = VARIANCES[kind](row(raw, raw + 1.0))[0]
    assert 0 < a <= b < float("inf")


@pytest.mark.parametrize("kind", sorted(set(VARIANCES) - {"above-one"}))
def test_scales_are_one_at_zero(kind: str) -> None:
    assert VARIANCES[kind](row(0.0)).item() == pytest.approx(1.0, abs=1e-9)


def test_each_bound_is_the_one_it_is_named_for() -> None:
    assert variance("softclamp")(row(1e6)).item() == pytest.approx(math.exp(5))
    assert variance("clamp")(row(100.0)).item() ** 2 == pytest.approx(math.exp(7))
    assert variance("clamp")(row(-100.0)).item() ** 2 == pytest.approx(math.exp(-7))
    assert variance("clamp-sigma")(row(100.0)).item() == pytest.approx(math.exp(7))
    assert variance("clamp-sigma")(row(-100.0)).item() == pytest.approx(math.exp(-7))
    assert variance("clamp-sigma")(row(5.0)).item() == pytest.approx(math.exp(5))
    assert variance("softplus")(row(-1e3)).item() == pytest.approx(1e-3)
    assert variance("below-two")(row(1e6)).item() == 2.0
    assert variance("below-two")(row(-1e6)).item() == pytest.approx(math.exp(-5))
    assert variance("below-two")(row(-1.0)).item() == variance("softclamp")(row(-1.0)).item()
    assert variance("above-one")(row(-1e3)).item() == 1.0
    assert variance("above-one")(row(2.0)).item() ** 2 == pytest.approx(1 + math.exp(2))
    with pytest.raises(HvaeError, match="did you mean 'clamp'"):
        variance("clam")


def test_raw_outputs_are_locations_then_scales() -> None:
    d = gaussian(row(1.0, 2.0, 0.0, math.log(3)), unit)
    assert d.loc.tolist() == [[1.0, 2.0]]
    torch.testing.assert_close(d.scale, row(1.0, 3.0))


def test_precision_weighting_by_hand() -> None:
    # Message N(3, 0.5^2), prior N(1, 1): precisions 4 and 1, so mean (12 + 1)/5 and variance 1/5.
    q = PrecisionWeighted(nn.Identity(), unit)(row(), row(3.0, math.log(0.5)), Normal(row(1.0), row(1.0)))
    assert q.loc.item() == pytest.approx(13 / 5, abs=1e-12)
    assert q.scale.item() == pytest.approx(math.sqrt(1 / 5), abs=1e-12)


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3), st.floats(0.05, 5))
def test_precision_weighting_is_the_formula_and_never_widens(m: float, r: float, loc: float, scale: float) -> None:
    q = PrecisionWeighted(nn.Identity(), unit)(row(), row(m, r), Normal(row(loc), row(scale)))
    a, b = math.exp(-2 * r), scale**-2
    assert q.loc.item() == pytest.approx((m * a + loc * b) / (a + b), rel=1e-9, abs=1e-9)
    assert q.scale.item() == pytest.approx((a + b) ** -0.5, rel=1e-9)
    assert q.scale.item() <= scale * (1 + 1e-12)


def test_residual_is_relative_to_the_prior_and_silence_costs_nothing() -> None:
    p = Normal(row(2.0), row(0.3))
    q = Residual(nn.Identity(), unit)(row(0.5), row(math.log(2)), p)
    assert (q.loc.item(), q.scale.item()) == (pytest.approx(2.5), pytest.approx(0.6))
    silent = Residual(nn.Identity(), unit)(row(0.0), row(0.0), p)
    assert normal_kl(silent, p).item() == 0.0


@given(move=st.floats(-1e12, 1e12), log_ratio=st.floats(-50, 50), loc=st.floats(-100, 100), log_scale=st.floats(-7, 7))
def test_a_bounded_residual_has_a_bounded_rate(move: float, log_ratio: float, loc: float, log_scale: float) -> None:
    p = Normal(row(loc), row(log_scale).exp())
    q = BoundedResidual(nn.Identity(), variance("below-two"))(row(move), row(log_ratio), p)
    # Mean: 5^2 / 2.  Scale r within [e^-5, 2]: r^2 / 2 - 1/2 - log r is greatest at e^-5.
    assert normal_kl(q, p).item() <= (12.5 + 4.5 + math.exp(-10) / 2) * (1 + 1e-6)


def test_a_bounded_residual_is_a_residual_near_the_prior() -> None:
    p = Normal(row(2.0), row(0.3))
    near, free = (kind(nn.Identity(), unit)(row(1e-4), row(0.2), p) for kind in (BoundedResidual, Residual))
    torch.testing.assert_close(near.loc, free.loc, atol=1e-10, rtol=0)
    assert torch.equal(near.scale, free.scale)


def test_concat_reads_the_state_first_then_the_evidence() -> None:
    assert Concat(nn.Identity(), unit)(row(1.5), row(0.0), Normal(row(0.0), row(1.0))).loc.item() == 1.5
    assert DataOnly(nn.Identity(), unit)(row(9.0), row(1.0, 0.0), Normal(row(0.0), row(1.0))).loc.item() == 1.0


def test_merge_makes_only_the_network_it_needs() -> None:
    made: list[str] = []
    networks = {name: lambda name=name: made.append(name) or nn.Identity() for name in ("message", "joint", "linear")}
    kinds = {kind: type(merge(kind, unit, networks)) for kind in MERGES}
    assert made == ["message", "joint", "linear", "joint", "joint", "joint"]
    assert kinds == {
        "precision": PrecisionWeighted,
        "concat": Concat,
        "linear": Concat,
        "residual": Residual,
        "residual-bounded": BoundedResidual,
        "residual-mean": ResidualMean,
    }
    with pytest.raises(HvaeError, match="no posterior named 'residul'; did you mean 'residual'"):
        merge("residul", unit, networks)


def test_priors() -> None:
    p, h = StandardPrior((2, 3))(torch.zeros(4, 7))
    assert p.loc.shape == (4, 2, 3) and p.scale.unique().tolist() == [1.0] and h.shape == (4, 7)
    p, h = LearnedPrior(nn.Identity(), unit)(row(1.0, 0.0))
    assert p.loc.item() == 1.0 and torch.equal(h, row(1.0, 0.0))
    p, h = SplitPrior(nn.Linear(1, 3, bias=False).double(), unit, dims=1)(row(1.0))
    assert p.loc.shape == (1, 1) and h.shape == (1, 1)


def test_absorbing() -> None:
    h, z = row(1.0, 2.0), row(10.0, 20.0)
    assert torch.equal(Replace(nn.Identity())(h, z), z)
    assert torch.equal(Add(nn.Identity(), nn.Identity())(h, z), h + z)
    assert torch.equal(Join(nn.Identity(), nn.Identity())(h, z), row(1.0, 2.0, 10.0, 20.0))
