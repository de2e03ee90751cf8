"""Cells with seeds of their own, and two images mixed level by level."""

from __future__ import annotations

import sys

import pytest
import torch
from families import FAMILIES, SHAPE

import hvae
from hvae.config.model import LadderConfig, LVAEConfig
from hvae.config.sequences import VRNNConfig
from hvae.distributions import LocationScale
from hvae.draw import given, mode
from hvae.errors import HvaeError
from hvae.explore.cells import Grid, cells, cells_by_level
from hvae.explore.mix import HOLDS, mix
from hvae.explore.seeded import at_seeds
from hvae.walk import run, still

SEEDS = {"z2": [1, 1, 2], "z1": [5, 6, 7]}


@pytest.fixture
def model() -> hvae.Model:
    return hvae.build(LVAEConfig(latents=(4, 2), widths=(16, 16)), shape=(1, 4, 4), bits=1).eval()


def test_a_cell_is_location_and_scale_times_its_own_noise(model: hvae.Model) -> None:
    warm, cool = ({"z2": 1.0, "z1": t} for t in (1.0, 0.25))
    with still(model, 0):
        one, other = (run(model, at_seeds(SEEDS, t), n=3) for t in (warm, cool))
    p = one["z1"].law
    assert isinstance(p, LocationScale)
    assert torch.equal(one["z2"].value, other["z2"].value)
    noise = (one["z1"].value - p.loc) / p.scale
    assert torch.allclose(other["z1"].value, p.loc + 0.25 * p.scale * noise, atol=1e-6)
    top = one["z2"].value
    assert torch.equal(top[0], top[1]) and not torch.equal(top[0], top[2])


def test_noise_is_standard_and_differs_between_seeds_and_levels(model: hvae.Model) -> None:
    n = 4000
    with still(model, 0):
        trace = run(model, at_seeds({"z2": list(range(n)), "z1": list(range(n))}, {}), n=n)
    p = trace["z1"].law
    assert isinstance(p, LocationScale)
    noise = (trace["z1"].value - p.loc) / p.scale
    assert noise.mean(0).abs().max() < 5 / n**0.5 and (noise.std(0) - 1).abs().max() < 5 / n**0.5
    top = trace["z2"].value
    both = torch.corrcoef(torch.cat([top, noise], 1).T)
    assert (both - torch.eye(6)).abs().max() < 6 / n**0.5


def test_the_last_row_is_the_picture_and_the_others_end_in_modes(model: hvae.Model) -> None:
    rows = cells_by_level(model, SEEDS, temperature=0.7)
    assert torch.allclose(rows[-1], cells(model, SEEDS, temperature=0.7), atol=1e-6)
    with still(model, 0):
        top = run(model, at_seeds(SEEDS, {"z2": 0.7}), n=3)["z2"].value
        middle = run(model, given({"z2": top}, mode), n=3)
    assert torch.allclose(rows[0], model.picture(middle), atol=1e-6)


def test_what_is_remembered_changes_nothing(model: hvae.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = Grid.of(model)
    first = grid.draw(SEEDS)
    assert torch.equal(grid.draw(SEEDS), first) and torch.equal(Grid.of(model).draw(SEEDS), first)
    monkeypatch.setattr(sys.modules["hvae.explore.seeded"], "MOST_NUMBERS", 3)
    grid.draw({"z2": [3, 4, 5], "z1": [3, 4, 5]})
    assert len(grid.noise.known) <= 2 and torch.equal(grid.draw(SEEDS), first)


def test_pictures_in_parts_are_the_same(model: hvae.Model) -> None:
    assert torch.allclose(cells(model, SEEDS, chunk=1), cells(model, SEEDS), atol=1e-6)


def test_the_random_numbers_of_the_caller_are_left_alone(model: hvae.Model) -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    cells(model, SEEDS)
    assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize("family", [name for name in FAMILIES if "pixelcnn" not in name])
def test_every_family_keeps_its_cells(family: str) -> None:
    told = hvae.build(FAMILIES[family], shape=SHAPE, bits=1).eval()
    names = hvae.names(told)
    seeds = {name: [1, 2, 3] for name in names}
    said = {name: condition.placeholder(3, torch.device("cpu")) for name, condition in told.conditions.items()}
    pictures = cells(told, seeds, context=said)
    grid = Grid.of(told)
    assert torch.equal(grid.draw(seeds, context=said), pictures) and torch.equal(
        grid.draw(seeds, context=said), pictures
    )
    changed = cells(told, {name: [1, 9, 3] for name in names}, context=said)
    same = [torch.allclose(a, b, atol=1e-5) for a, b in zip(pictures, changed, strict=True)]
    assert same == [True, False, True]


def test_sequences_keep_the_noise_of_their_steps() -> None:
    told = hvae.build(VRNNConfig(latent=2, state=4, width=4), shape=(9, 3), bits=1).eval()
    grid = Grid.of(told)
    seeds = {name: [1, 1, 2] for name in grid.names}
    first = grid.series(seeds, steps=6, seed=3)
    assert first.shape == (3, 6, 3) and torch.equal(grid.series(seeds, steps=6, seed=3), first)
    with still(told, 0):
        trace = run(told, at_seeds(seeds, {}), told.nothing(3, steps=2))
    name = grid.names[0]
    laws = [trace[name, step].law for step in (0, 1)]
    noise = [(trace[name, t].value - p.loc) / p.scale for t, p in enumerate(laws) if isinstance(p, LocationScale)]
    assert torch.allclose(noise[0][0], noise[0][1], atol=1e-5) and not torch.allclose(noise[0][0], noise[1][0])


@pytest.mark.parametrize(
    "seeds",
    [{}, {"z2": [1]}, {"z2": [1], "z1": []}, {"z2": [], "z1": []}, {"z2": [1], "z1": [1, 2]}, {"z2": [1], "z9": [1]}],
)
def test_wrong_seeds_are_a_line(model: hvae.Model, seeds: dict[str, list[int]]) -> None:
    with pytest.raises(HvaeError, match="expected|no level named"):
        cells(model, seeds)


def test_a_mixture_is_between_its_ends_level_by_level(model: hvae.Model) -> None:
    a, b = torch.zeros(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
    ends = [hvae.reconstruct(model, x, seed=0) for x in (a, b)]
    for share, end in zip((0.0, 1.0), ends, strict=True):
        assert torch.allclose(mix(model, a, b, {"z2": share, "z1": share}, seed=0), end, atol=1e-6)
    values = [hvae.encode(model, x, seed=0) for x in (a, b)]
    between = {
        name: 0.7 * values[0][name] + 0.3 * values[1][name] if name == "z2" else values[1][name] for name in values[0]
    }
    wanted = hvae.decode(model, between)
    assert torch.allclose(mix(model, a, b, {"z2": 0.3, "z1": 1.0}, seed=0), wanted, atol=1e-6)


def test_offsets_move_with_the_levels_above() -> None:
    torch.manual_seed(1)
    told = hvae.build(LadderConfig(groups=(1, 1), width=8, latent=2), shape=(1, 8, 8), bits=1).eval()
    a, b = torch.rand(1, 1, 8, 8).round(), torch.rand(1, 1, 8, 8).round()
    whole = mix(told, a, b, {"z2": 0.0, "z1": 0.0}, hold=HOLDS["offsets"], seed=0)
    assert torch.allclose(whole, hvae.reconstruct(told, a, seed=0), atol=1e-4)
    with pytest.raises(HvaeError, match="no level named"):
        mix(told, a, b, {"z7": 0.0})
    with pytest.raises(HvaeError, match="as many images"):
        mix(told, a, torch.cat([b, b]), {"z1": 0.0})
