"""Bounds of incomplete data: on what is observed alone, by the values that are observed alone."""

from __future__ import annotations

import math

import pytest
import torch
from linear_gaussian import BottomUpGaussian, LinearGaussian, S, TopDownGaussian

from hvae.config.model import LVAEConfig
from hvae.datum import Datum
from hvae.metrics import bounds, hierarchical_bounds, reconstruction
from hvae.metrics.contribution import contribution
from hvae.zoo import build


def masked(n: int = 30) -> Datum:
    random = torch.Generator().manual_seed(3)
    x = torch.randn(n, 5, generator=random, dtype=torch.float64)
    return Datum(x, observed=torch.rand(n, 5, generator=random) < 0.6)


@pytest.mark.parametrize("walk", [TopDownGaussian, BottomUpGaussian])
def test_the_importance_weighted_bound_meets_the_probability_of_what_is_observed(walk: type[LinearGaussian]) -> None:
    """MIWAE (arXiv 1812.02633): the closed form is the Gaussian's marginal over each datum's observed coordinates."""
    model, data = walk(2).loosened(0.0, 0.3), masked()
    w = model.weight().detach()
    cov = (w * model.variances()["z1"].detach()) @ w.T + S**2 * torch.eye(5, dtype=torch.float64)
    exact = []
    for x, seen in zip(data.x, data.observed, strict=True):
        law = torch.distributions.MultivariateNormal(torch.zeros(int(seen.sum())).double(), cov[seen][:, seen])
        exact.append(law.log_prob(x[seen]) if seen.any() else torch.tensor(0.0).double())
    expected = -float(torch.stack(exact).mean())
    few, many = (bounds(model, list(data.split(10)), samples=k) for k in (1, 3000))
    assert many.negative_iw_nats.mean == pytest.approx(expected, abs=0.05)
    assert few.negative_elbo_nats.mean > many.negative_iw_nats.mean + 0.1
    assert many.of == "p(observed x)" and many.missing == pytest.approx(1 - float(data.observed.double().mean()))


def test_values_that_are_not_observed_enter_no_number() -> None:
    data = masked()
    other = Datum(torch.where(data.observed, data.x, 1e3), observed=data.observed)
    a, b = (bounds(TopDownGaussian(2), [one], samples=5).to_dict() for one in (data, other))
    assert a == b and a["dims"] == round(float(data.observed.sum(1).double().mean()))


def test_bits_are_divided_by_what_is_observed() -> None:
    """A uniform code has 4 bits a value whatever is missing."""
    model = build(LVAEConfig(latents=(4, 2), widths=(8, 8), likelihood="categorical"), shape=(3, 4, 4), bits=4)
    for parameter in model.parameters():
        parameter.data.zero_()
    x = torch.randint(0, 16, (6, 3, 4, 4)) / 15
    whole = bounds(model, [x])
    part = bounds(model, [Datum(x, observed=torch.rand(6, 3, 4, 4) < 0.4)])
    for result in (whole, part):
        known = 48 * (1 - result.missing)
        assert result.reconstruction_nats.mean / known / math.log(2) == pytest.approx(4, rel=1e-6)
        assert result.elbo_bits_per_dim.mean == pytest.approx(result.negative_elbo_nats.mean / known / math.log(2))
        assert result.dims == round(known)
    assert part.dims < whole.dims == 48 and "missing" not in whole.to_dict()
    assert whole.of == "p(x)"


def test_everything_observed_equals_no_mask() -> None:
    x = torch.randn(8, 5, dtype=torch.float64)
    a, b = (bounds(TopDownGaussian(2), [one], samples=4) for one in (x, Datum(x, observed=torch.ones_like(x).bool())))
    assert a == b


def test_the_other_measures_count_the_same() -> None:
    model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    torch.manual_seed(0)
    x = torch.rand(6, 1, 4, 4).round()
    observed = torch.rand_like(x) < 0.5
    data = [Datum(x, observed=observed)]
    grouped = hierarchical_bounds(model, data, ["z2"], groups=2, samples=3)
    per = float(observed.flatten(1).sum(1).double().mean())
    assert grouped.dims == round(per)
    assert grouped.hiw_bits_per_dim.mean == pytest.approx(grouped.negative_hiw_nats.mean / per / math.log(2))
    for row in contribution(model, data).top:
        assert row.bits_per_dim.mean == pytest.approx(row.negative_bound_nats.mean / per / math.log(2))
    flipped = [Datum(torch.where(observed, x, 1 - x), observed=observed)]
    assert reconstruction(model, data).psnr_db == reconstruction(model, flipped).psnr_db
