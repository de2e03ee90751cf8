"""Bounds of incomplete data: on what is observed alone, by the values that are observed alone."""

from __future__ import annotations

import math

import pytest
import torch
from linear_gaussian import BottomUpGaussian, LinearGaussian, S, TopDownGaussian

from hvae.config import VDMConfig
from hvae.config.model import LadderConfig, LVAEConfig
from hvae.config.sequences import VRNNConfig
from hvae.config.vqvae import VQVAEConfig
from hvae.datum import Datum
from hvae.draw import mode
from hvae.metrics import bounds, hierarchical_bounds, reconstruction
from hvae.metrics.codebook import codebook
from hvae.metrics.contribution import contribution
from hvae.metrics.depth import depth
from hvae.metrics.free_run import free_run
from hvae.metrics.maps import rate_maps
from hvae.walk import Model, run, still
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


def test_a_diffusion_counts_the_same_by_every_number_of_levels() -> None:
    torch.manual_seed(0)
    model = build(VDMConfig(steps=20, widths=(4,), blocks=1), shape=(1, 4, 4), bits=1)
    x = torch.rand(6, 1, 4, 4).round()
    observed = torch.rand_like(x) < 0.5
    per = float(observed.flatten(1).sum(1).double().mean())
    for row in depth(model, Datum(x, observed=observed).split(4)).by_levels:
        assert row.bits_per_dim.mean == pytest.approx(row.negative_elbo_nats.mean / per / math.log(2))


def test_errors_and_variance_of_coded_pictures_are_of_what_is_observed() -> None:
    """Halves at 1/4 and 3/4 beside a hidden half, by a decoder that says 1/2 of all: an error of the variance."""
    model = build(VQVAEConfig(codes=8, dims=2, width=4, hidden=2), shape=(1, 8, 8))
    for parameter in model.parameters():
        parameter.data.zero_()
    x = torch.tensor([0.25, 0.75]).repeat(2, 1, 8, 4)
    observed = torch.arange(8).expand_as(x) < 4
    result = codebook(model, [Datum(x, observed=observed)])
    assert result.mse_over_variance == pytest.approx(1.0)
    whole = codebook(model, [x])
    assert whole.mse_over_variance == pytest.approx(1.0)
    assert result.bits_per_dim.mean == pytest.approx(2 * whole.bits_per_dim.mean)


def test_maps_of_what_is_not_observed_hold_nothing() -> None:
    torch.manual_seed(0)
    model = build(LadderConfig(groups=(1, 1), width=8, latent=2), shape=(1, 8, 8), bits=1)
    x = torch.rand(3, 1, 8, 8).round()
    observed = torch.arange(8).expand_as(x) < 4
    nats = rate_maps(model, Datum(x, observed=observed))["data"]
    assert float(nats[..., 4:].abs().max()) == 0.0 and float(nats[..., :4].min()) > 0
    assert float(nats.sum()) == pytest.approx(float(-run_on(model, Datum(x, observed=observed))), rel=1e-5)


def run_on(model: Model, datum: Datum) -> torch.Tensor:
    with still(model, 0):
        return run(model, mode, model.evidence(datum)).log_likelihood().sum()


def test_free_runs_are_compared_with_what_is_observed() -> None:
    """A hidden value, whatever stands in its place, moves neither the values nor the changes."""
    torch.manual_seed(0)
    model = build(VRNNConfig(latent=2, state=4, width=4), shape=(5, 3), bits=1)
    x = torch.rand(4, 5, 3).round()
    observed = torch.rand_like(x) < 0.7
    result = free_run(model, [Datum(x, observed=observed)], runs=2)
    known = [x[:, :, d][observed[:, :, d]].double() for d in range(3)]
    assert result.recorded.values == pytest.approx(float(torch.stack([one.var(correction=0) for one in known]).mean()))
    both = observed[:, 1:] & observed[:, :-1]
    changes = [(x[:, 1:] - x[:, :-1])[:, :, d][both[:, :, d]].double() for d in range(3)]
    expected = float(torch.stack([one.var(correction=0) for one in changes]).mean())
    assert result.recorded.changes == pytest.approx(expected)
