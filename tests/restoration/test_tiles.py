"""Large pictures in tiles: what is cut comes back, draws are those of the whole, and nothing shows where tiles meet.

Shapes: `H W` a picture; `h w` a tile.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hvae.config.model import LadderConfig
from hvae.errors import HvaeError
from hvae.restoration import OwnNoise, Refine, Restored, Tiling, restore, shared
from hvae.walk import Model
from hvae.zoo import build

AMORTISED = Refine(steps=0, settle=0)


@pytest.mark.parametrize("overlap", [4, 8, 24, 28])
@pytest.mark.parametrize("picture", [(32, 32), (33, 40), (100, 50), (90, 121), (7, 90), (5, 6)])
def test_what_is_cut_comes_back(picture: tuple[int, int], overlap: int) -> None:
    tiling = Tiling(picture, (32, 32), overlap)
    x = torch.rand(3, 2, *picture, dtype=torch.float64)
    tiles = tiling.cut(x)
    assert tiles.shape == (3 * len(tiling.places), 2, 32, 32)
    torch.testing.assert_close(tiling.joined(tiles), x)
    # Draws have an axis more.
    torch.testing.assert_close(tiling.joined(torch.stack([tiles, 2 * tiles], 1)), torch.stack([x, 2 * x], 1))


def test_weights_are_one_together_and_none_at_the_ends_inside() -> None:
    tiling = Tiling((80, 80), (32, 32), 8)
    corner = tiling.weight(0, 0)
    assert bool((corner[:24, :24] == 1).all() and (corner[30:] == 0).all() and (corner[:, 30:] == 0).all())
    left, right = tiling.weight(0, 0)[:, 24:], tiling.weight(0, 24)[:, :8]
    torch.testing.assert_close((left + right)[:24], torch.ones(24, 8))


@pytest.mark.parametrize("overlap", [-4, 6, 32, 64])
def test_an_overlap_that_cannot_be_is_refused(overlap: int) -> None:
    with pytest.raises(HvaeError, match="overlap of tiles from 4 to below 32"):
        Tiling((64, 64), (32, 32), overlap)


def ladder(size: tuple[int, int], groups: tuple[int, ...]) -> Model:
    """A small ladder that is the same at every place, with weights of one seed whatever its size."""
    torch.manual_seed(1)
    config = LadderConfig(likelihood="noise", groups=groups, width=6, latent=2, start="everywhere")
    model = build(config, (1, *size), 8).eval()
    for parameter in model.parameters():  # far from the start, where levels say nothing
        parameter.data.mul_(1.5)
    return model


def pictures(size: tuple[int, int]) -> Tensor:
    """A wave under noise."""
    y, x = torch.meshgrid(*(torch.linspace(0, 6, side) for side in size), indexing="ij")
    noise = torch.randn(2, 1, *size, generator=torch.Generator().manual_seed(0))
    return (0.5 + 0.3 * (x * y).sin() + 0.1 * noise).clamp(0, 1)


def whole(y: Tensor, groups: tuple[int, ...], seed: int) -> Tensor:
    """Draws of whole pictures, by a model of their size, with the noise of a single tile."""
    size = tuple(y.shape[2:])
    way = replace(AMORTISED, change=shared(Tiling(size, size), range(2), seed))
    return restore(ladder(size, groups), OwnNoise(y), way, draws=3).draws


def tiled(y: Tensor, groups: tuple[int, ...], overlap: int, way: Refine) -> tuple[Tiling, Restored]:
    tiling = Tiling(tuple(y.shape[2:]), (64, 64), overlap)
    return tiling, restore(ladder((64, 64), groups), OwnNoise(tiling.cut(y)), way, draws=3)


def test_draws_in_tiles_are_those_of_the_whole_picture() -> None:
    """One scale, whose networks see 10 values each way: less than what the outer quarter of an overlap leaves out."""
    y = pictures((88, 112))
    tiling = Tiling((88, 112), (64, 64), 40)
    assert tiling.size == (88, 112)
    way = replace(AMORTISED, change=shared(tiling, range(2 * len(tiling.places)), 5))
    _, parts = tiled(y, (1,), 40, way)
    found, expected = tiling.joined(parts.draws), whole(y, (1,), 5)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert float(found.std(1).mean()) > 1e-3  # and they differ from one another
    # Without shared noise they are other draws, and less of them where two are averaged.
    _, apart = tiled(y, (1,), 40, AMORTISED)
    assert float((tiling.joined(apart.draws) - expected).abs().max()) > 0.01


def steps(x: Tensor, at: int) -> float:
    """The mean step between neighbours across a line, in units of the mean step between neighbours nearby."""
    difference = x.diff(dim=-1).abs().flatten(0, -2).mean(0)
    return float(difference[at - 1] / difference[at - 5 : at + 4].mean())


@pytest.mark.parametrize("part", ["draws", "mean"])
def test_no_step_shows_where_tiles_meet(part: str) -> None:
    """Three scales see farther than an overlap, so tiles do not agree; they are faded, and a step of their own is."""
    y = pictures((64, 112))
    tiling = Tiling((64, 112), (64, 64), 16)
    way = replace(AMORTISED, change=shared(tiling, range(2 * len(tiling.places)), 5))
    _, parts = tiled(y, (1, 1, 1), 16, way)
    found = tiling.joined(getattr(parts, part))
    for line in (48, 52, 56, 60, 64):  # the ends of tiles, and of the fades
        assert 0.5 < steps(found, line) < 1.6
    # With noise of their own, laid side by side, they do show.
    apart = tiled(y, (1, 1, 1), 16, AMORTISED)[1].draws.unflatten(0, (2, 2))
    assert steps(torch.cat([apart[:, 0, ..., :56], apart[:, 1, ..., 8:]], -1), 56) > 1.6


def test_latents_off_the_grid_and_vectors_have_noise_of_their_own() -> None:
    y = pictures((40, 40))
    tiling = Tiling((40, 40), (28, 28), 8)  # 28, 14, 7, 4: steps of 20 fall on the first two grids
    torch.manual_seed(1)
    model = build(LadderConfig(likelihood="noise", groups=(0, 1, 0, 1), width=6), (1, 28, 28), 8).eval()
    way = replace(AMORTISED, change=shared(tiling, range(2 * len(tiling.places)), 5))
    drawn = [restore(model, OwnNoise(tiling.cut(y)), way, draws=2, seed=seed).draws for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
