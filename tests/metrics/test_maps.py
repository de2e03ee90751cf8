from __future__ import annotations

import pytest
import torch
from families import data, family
from linear_gaussian import TopDownGaussian
from torch import Tensor

from hvae.datum import Datum
from hvae.distributions import Normal, standard_normal
from hvae.errors import HvaeError
from hvae.metrics.maps import heat, usual_maps
from hvae.site import Site
from hvae.walk import Evidence, Model, Visit, names


class Quarters(Model):
    """Each place of a 2 x 2 level reads the mean of one quarter of a 4 x 4 picture."""

    shape = (1, 4, 4)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {"z1": torch.nn.functional.avg_pool2d(datum.x, 2)}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        p = standard_normal(torch.zeros(evidence.n, 1, dtype=torch.float64), (1, 2, 2))
        q = None if evidence.x is None else Normal(evidence.features["z1"], torch.ones_like(p.loc))
        z = visit(Site("z1", p, q))
        loc = torch.nn.functional.interpolate(z, scale_factor=2)
        return visit(Site("x", Normal(loc, torch.ones_like(loc)), value=evidence.x, data=True))


def test_the_place_that_is_unusual_is_hot() -> None:
    usual = usual_maps(Quarters(), torch.randn(400, 1, 4, 4, dtype=torch.float64).split(100))
    odd = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    odd[..., 2:, :2] = 5.0
    found = heat(Quarters(), odd, usual)
    assert list(found) == ["z1", "data"]
    z1 = found["z1"][0]
    assert z1.shape == (4, 4)
    assert (z1[2:, :2] > 10).all() and z1[:2].abs().max() < 1.5 and z1[2:, 2:].abs().max() < 1.5
    # The decoder explains it all: the data are not surprising given the latents.
    assert found["data"].abs().max() < 2


def test_usual_data_have_mean_zero_and_deviation_one() -> None:
    x = torch.randn(300, 1, 4, 4, dtype=torch.float64)
    found = heat(Quarters(), x, usual_maps(Quarters(), x.split(77)))
    for place in found.values():
        torch.testing.assert_close(place.mean(0), torch.zeros(4, 4, dtype=torch.float64), atol=1e-6, rtol=0)
        torch.testing.assert_close(place.std(0), torch.ones(4, 4, dtype=torch.float64), atol=0.01, rtol=0)


@pytest.mark.parametrize("name", ["vae-conv", "markov-conv", "lvae-conv", "ladder-residual"])
def test_families(name: str) -> None:
    model, x = family(name), data(8)
    found = heat(model, x, usual_maps(model, x.split(3)))
    places = [level for level in found if level != "data"]
    assert [level for level in names(model) if level in places] == places and places
    assert all(f.shape == (8, 6, 5) and f.isfinite().all() for f in found.values())
    again = heat(model, x, usual_maps(model, x.split(3)))
    assert all(torch.equal(found[level], again[level]) for level in found)


def test_mixtures_over_colours_have_one_number_a_place() -> None:
    from hvae.config.model import LadderConfig
    from hvae.zoo import build

    model = build(LadderConfig(groups=(1, 1), width=4, latent=2, likelihood="dmol", mixtures=2), (3, 8, 6), bits=8)
    x = torch.rand(4, 3, 8, 6).mul(255).round() / 255
    assert heat(model, x, usual_maps(model, [x]))["data"].shape == (4, 8, 6)


def test_vectors_and_single_images_are_refused() -> None:
    with pytest.raises(HvaeError, match="maps are of images"):
        usual_maps(TopDownGaussian(1), [torch.randn(5, 5, dtype=torch.float64)])
    with pytest.raises(HvaeError, match="expected 2 images or more"):
        usual_maps(Quarters(), [torch.zeros(1, 1, 4, 4, dtype=torch.float64)])
