"""Which ways serve a model: each that is said to serve one draws, and what raises is not among them."""

from __future__ import annotations

import pytest
import torch
from families import FAMILIES, IN_TIME, data, family

from hvae.errors import HvaeError
from hvae.restoration import Diffuse, Gibbs, Metropolis, Partial, Refine, Seen, Way, restore, serving
from hvae.study.restoration_ways import WAYS

SHORT: dict[type[Way], Way] = {
    Refine: Refine(steps=1, settle=1),
    Gibbs: Gibbs(sweeps=1),
    Metropolis: Metropolis(sweeps=1),
    Partial: Partial(),
    Diffuse: Diffuse(sweeps=1),
}


def draws(name: str, way: Way) -> bool:
    x = data(2)
    try:
        restored = restore(family(name), Seen(x, torch.rand_like(x) < 0.5), way, draws=1, seed=3)
    except HvaeError:
        return False
    return bool(restored.draws.isfinite().all())


@pytest.mark.parametrize("name", [name for name in FAMILIES if not name.startswith("vdm")])
def test_the_ways_that_serve_are_those_that_draw(name: str) -> None:
    assert set(serving(family(name))) == {kind for kind, way in SHORT.items() if draws(name, way)}


@pytest.mark.parametrize("name", [name for name in FAMILIES if name.startswith("vdm")])
def test_a_diffusion_is_served_by_walks_down_from_noise_alone(name: str) -> None:
    assert serving(family(name)) == (Diffuse,) and draws(name, SHORT[Diffuse])


def test_a_walk_in_time_is_served_by_none() -> None:
    assert serving(family(IN_TIME)) == ()


def test_a_look_leaves_no_mark() -> None:
    model = family("lvae-conv").train()
    state = torch.get_rng_state()
    serving(model)
    assert model.training and torch.equal(torch.get_rng_state(), state)


def test_every_way_has_the_name_that_users_call_it() -> None:
    assert {kind.name for kind in SHORT} == set(WAYS)
