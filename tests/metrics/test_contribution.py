from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from families import FAMILIES, SHAPE, family
from linear_gaussian import BottomUpGaussian, LinearGaussian, TopDownGaussian
from torch import Tensor

from hvae.config.model import LVAEConfig
from hvae.datum import Datum
from hvae.distributions import Normal
from hvae.draw import posterior, prior
from hvae.errors import HvaeError
from hvae.metrics import bounds, contribution, ms_ssim, psnr, reconstruction
from hvae.seeds import noise_seed
from hvae.site import Site
from hvae.walk import Evidence, Model, Visit, names, run, still
from hvae.zoo import build


@pytest.fixture(params=[TopDownGaussian, BottomUpGaussian])
def model(request: pytest.FixtureRequest) -> LinearGaussian:
    return request.param(2)


def test_all_levels_are_the_elbo_and_none_is_the_prior(model: LinearGaussian) -> None:
    torch.manual_seed(2)
    x = run(model, prior(), n=400).x.detach()
    found = contribution(model, x.split(100))
    none, one, both = found.top
    elbo = bounds(model, x.split(100)).negative_elbo_nats
    assert both.negative_bound_nats.mean == pytest.approx(elbo.mean, abs=4 * elbo.standard_error)
    assert none.rate_nats == 0 and none.lowest == "" and [one.lowest, both.lowest] == ["z2", "z1"]
    exact = -model.log_evidence(x).detach()
    # Every row is an upper bound on -log p(x) in expectation, and the rows below use strictly less of the data.
    for row in found.top:
        assert row.negative_bound_nats.mean > float(exact.mean()) - 3 * row.negative_bound_nats.standard_error
    assert none.negative_bound_nats.mean > one.negative_bound_nats.mean > both.negative_bound_nats.mean


def test_densities_have_no_bits_and_masses_do(model: LinearGaussian) -> None:
    assert all(row.bits_per_dim is None for row in contribution(model, [torch.randn(4, 5).double()]).top)
    other = family("lvae-mlp-precision")
    result = contribution(other, [torch.rand(6, *other.shape, dtype=torch.float64).round()])
    for row in result.top:
        assert row.bits_per_dim is not None
        dims = math.prod(other.shape)
        assert row.bits_per_dim.mean == pytest.approx(row.negative_bound_nats.mean / dims / math.log(2))
    assert json.loads(json.dumps(result.to_dict()))["data"] == 6


def test_counts_are_chosen_and_checked(model: LinearGaussian) -> None:
    x = torch.randn(6, 5, dtype=torch.float64)
    whole = {row.levels: row for row in contribution(model, [x]).top}
    assert [row.levels for row in contribution(model, [x], counts=[2]).top] == [2]
    alone = replace(whole[1], gain_nats=None)
    assert contribution(model, [x], counts=[1]).top[0] == alone, "each k has the random numbers of its own"
    with pytest.raises(HvaeError, match="expected numbers of levels from 0 to 2, got 3"):
        contribution(model, [x], counts=[3])
    with pytest.raises(HvaeError, match="got no batch"):
        contribution(model, [])


@pytest.mark.parametrize(("side", "scales"), [(8, 0), (12, 1), (24, 2)])
def test_reconstructions_are_those_of_one_draw(side: int, scales: int) -> None:
    model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, side, side), bits=1).double().eval()
    x = torch.rand(5, 1, side, side, dtype=torch.float64).round()
    result = reconstruction(model, [x], seed=3)
    with torch.no_grad():
        torch.manual_seed(noise_seed(3))
        picture = run(model, posterior, model.evidence(x))["x"].p.mean().clamp(0, 1)
    assert result.exact_mean, "of a Bernoulli"
    assert result.psnr_db.mean == pytest.approx(float(psnr(picture, x).mean())) and result.ms_ssim_scales == scales
    expected = None if not scales else pytest.approx(float(ms_ssim(picture, x).mean()))
    assert (result.ms_ssim and result.ms_ssim.mean) == expected


def test_a_picture_that_comes_back_exactly_is_finite() -> None:
    class Exact(Model):
        shape = (4,)

        def features(self, datum: Datum) -> dict[str, Tensor]:
            return {"x": datum.x}

        def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
            one = torch.zeros(evidence.n, 1)
            z = visit(Site("z1", p=Normal(one, one + 1), q=Normal(one, one + 1)))
            loc = z.expand(evidence.n, 4) if evidence.x is None else evidence.features["x"]
            return visit(Site("x", p=Normal(loc, torch.ones_like(loc)), value=evidence.x, data=True))

    x = torch.rand(3, 4)
    assert reconstruction(Exact(), [x]).psnr_db.mean == 100.0
    assert [row.psnr_db.mean for row in contribution(Exact(), [x]).top] == [100.0, 100.0]


def test_the_gain_of_each_row_is_that_over_the_row_before(model: LinearGaussian) -> None:
    torch.manual_seed(2)
    found = contribution(model, run(model, prior(), n=400).x.detach().split(100)).top
    assert found[0].gain_nats is None
    for before, row in pairwise(found):
        gain = before.negative_bound_nats.mean - row.negative_bound_nats.mean
        assert row.gain_nats is not None and row.gain_nats.mean == pytest.approx(gain)
        apart = math.hypot(before.negative_bound_nats.standard_error, row.negative_bound_nats.standard_error)
        assert row.gain_nats.standard_error < apart, "the same data and draws on both sides"


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_can_be_cut_anywhere(name: str) -> None:
    model, x = family(name), torch.rand(4, *SHAPE, dtype=torch.float64).round()
    found = contribution(model, [x])
    assert [row.levels for row in found.top] == sorted({row.levels for row in found.top}) and found.top[0].levels == 0
    assert found.top[0].rate_nats == 0 and found.top[-1].lowest == names(model)[-1]
    assert all(math.isfinite(row.negative_bound_nats.mean) for row in found.top)
    with still(model, 0):
        torch.manual_seed(noise_seed(0, 0))  # of the first batch
        picture = run(model, posterior, model.evidence(x))["x"].p.mean().clamp(0, 1)
    assert found.top[-1].psnr_db.mean == pytest.approx(float(psnr(picture, x).mean())), "all levels from q"
