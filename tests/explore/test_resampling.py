from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from toys import GREY, RGB, Chain, Ladder, images

from hvae.distributions import Categorical
from hvae.draw import mode, prior, thin
from hvae.errors import HvaeError
from hvae.explore import reconstruct, sample, top_held, top_redrawn, top_swapped
from hvae.explore.resample import at_offsets, has_offsets, offsets
from hvae.site import Site
from hvae.walk import Model, run, still

Experiment = Callable[..., Tensor]
EXPERIMENTS = pytest.mark.parametrize("experiment", [top_held, top_redrawn, top_swapped])
MODELS = pytest.mark.parametrize("model", [Ladder(GREY), Chain(GREY), Ladder(RGB)], ids=["ladder", "chain", "rgb"])


@MODELS
@EXPERIMENTS
def test_groups_by_seed(model: Model, experiment: Experiment) -> None:
    x = images(model.shape)
    made = experiment(model, x, repeats=5, seed=1)
    assert made.shape == (len(x), 5, *model.shape)
    assert made.min() >= 0 and made.max() <= 1
    assert torch.equal(made, experiment(model, x, repeats=5, seed=1))


@MODELS
def test_the_held_top_is_identical_in_a_group(model: Model) -> None:
    x = images(model.shape)
    # With the rest at its most probable value given the top, a group can differ only where its top does.
    made = top_held(model, x, repeats=4, draw=mode, seed=1)
    assert torch.allclose(made, made[:, :1].expand_as(made), atol=1e-6)
    assert not torch.allclose(made[0, 0], made[1, 0])
    assert not torch.allclose(top_held(model, x, repeats=4, seed=1)[:, 0], made[:, 0])


@MODELS
def test_everything_held_is_a_reconstruction_and_nothing_held_is_a_sample(model: Model) -> None:
    x = images(model.shape)
    back = reconstruct(model, x, seed=1)[:, None].expand(-1, 3, *model.shape)
    assert torch.allclose(top_held(model, x, count=3, repeats=3, seed=1), back, atol=1e-6)
    assert torch.allclose(top_redrawn(model, x, count=0, repeats=3, seed=1), back, atol=1e-6)
    assert torch.allclose(top_swapped(model, x, count=0, repeats=3, seed=1), back, atol=1e-4)
    free = top_held(model, x, count=0, repeats=3, draw=mode)
    assert torch.allclose(free.flatten(0, 1), sample(model, 18, temperature=0.0), atol=1e-6)


def test_the_mirror_in_a_chain_changes_nothing_but_by_offsets_it_does() -> None:
    model, x = Chain(GREY), images(GREY)
    still_one = top_redrawn(model, x, seed=1)
    assert torch.allclose(still_one, still_one[:, :1].expand_as(still_one), atol=1e-6)
    assert top_swapped(model, x, seed=1).var(1).mean() > 1e-3


def test_the_mirror_in_a_ladder_changes_what_the_picture_takes_from_the_top() -> None:
    assert top_redrawn(Ladder(GREY), images(GREY), seed=1).var(1).mean() > 1e-3


def test_a_larger_count_holds_more() -> None:
    model, x = Ladder(GREY), images(GREY, 20)
    spread = [top_held(model, x, count=k, seed=1).var(1).mean() for k in range(4)]
    assert spread[0] > spread[1] > spread[2] > spread[3]
    assert spread[3] < 1e-9


@MODELS
def test_offsets_are_standard_under_the_prior_and_bring_the_values_back(model: Model) -> None:
    x = images(model.shape)
    with still(model, 1):
        held = offsets(model, x)
    with still(model, 1):
        values = run(model, at_offsets(held), n=len(x)).values()
    with still(model, 1):
        for name, record in model(x.to(next(model.parameters()))).values().items():
            if name != "x":
                assert torch.allclose(values[name], record, atol=1e-4), name


def test_a_prior_that_is_not_gaussian_has_no_offsets() -> None:
    assert has_offsets(Ladder(GREY))
    draw = at_offsets({"z1": torch.zeros(1, 3)})
    with pytest.raises(HvaeError, match="expected a Gaussian prior at z1 to offset from, got Categorical"):
        draw(Site("z1", p=Categorical(torch.zeros(1, 3, 4))))
    assert draw.keys() == {("z1", None)}


def test_bad_input() -> None:
    model, x = Ladder(GREY), images(GREY)
    for experiment in (top_held, top_redrawn, top_swapped):
        with pytest.raises(HvaeError, match="between 0 and 3 top levels, got -1; the levels are z3, z2, z1"):
            experiment(model, x, count=-1)
        with pytest.raises(HvaeError, match="repeats: expected at least 1"):
            experiment(model, x, repeats=0, draw=prior())


def test_offsets_hand_on_what_the_other_draw_asks_of_a_walk() -> None:
    model = Ladder(GREY)
    with still(model, 1):
        held = offsets(model, images(GREY)[:1])
    with pytest.raises(HvaeError, match="has no steps that may be left out"):
        run(model, at_offsets(held, thin(2)), n=1)
    with pytest.raises(HvaeError, match=r"expected a draw such as posterior, mode or prior\(\), got prior"):
        at_offsets(held, prior)
    with pytest.raises(HvaeError, match="expected the name of a variable"):
        at_offsets({1: held["z1"]}, prior())
