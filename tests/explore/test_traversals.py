from __future__ import annotations

import pytest
import torch
from toys import GREY, RGB, Chain, Ladder, images

from hvae.draw import mode
from hvae.errors import HvaeError
from hvae.explore import reconstruct, traverse
from hvae.explore.traverse import principal
from hvae.walk import Model

MODELS = pytest.mark.parametrize("model", [Ladder(GREY), Chain(GREY), Ladder(RGB)], ids=["ladder", "chain", "rgb"])


@MODELS
def test_every_level_with_as_many_directions_as_it_has(model: Model) -> None:
    moved = traverse(model, images(model.shape, 20), directions=3, steps=5)
    assert {name: tuple(rows.shape) for name, rows in moved.items()} == {
        "z3": (2, 5, *model.shape),
        "z2": (3, 5, *model.shape),
        "z1": (3, 5, *model.shape),
    }
    assert list(moved) == ["z3", "z2", "z1"]
    for rows in moved.values():
        assert rows.min() >= 0 and rows.max() <= 1
        assert rows.var(1).mean() > 1e-5


@MODELS
def test_the_middle_is_the_image_itself_where_nothing_follows(model: Model) -> None:
    x = images(model.shape, 20)
    rows = traverse(model, x, only=["z1"], anchor=4, steps=3)["z1"]
    back = reconstruct(model, x, draw=mode)[4]
    assert torch.allclose(rows[:, 1], back.expand_as(rows[:, 1]), atol=1e-5)


def test_it_needs_no_seed_and_uses_none_of_the_callers() -> None:
    model, x = Ladder(GREY), images(GREY, 20)
    first = traverse(model, x)
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    second = traverse(model, x)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(torch.rand(2), expected)


def test_held_levels_stay_and_others_follow() -> None:
    model, x = Chain(GREY), images(GREY, 20)
    # The chain's picture depends on z1 alone: held, it hides every move above; free, it follows.
    fixed = traverse(model, x, only=["z3"], held=["z2", "z1"])["z3"]
    assert torch.allclose(fixed, fixed[:, :1].expand_as(fixed), atol=1e-6)
    assert traverse(model, x, only=["z3"])["z3"].var(1).mean() > 1e-5


def test_reach_is_in_standard_deviations() -> None:
    model, x = Ladder(GREY), images(GREY, 20)
    near, far = (traverse(model, x, only=["z1"], steps=3, reach=r)["z1"] for r in (1.0, 3.0))
    wide = traverse(model, x, only=["z1"], steps=7, reach=3.0)["z1"]
    assert torch.allclose(near[:, 2], wide[:, 4], atol=1e-5)
    assert torch.allclose(far[:, 2], wide[:, 6], atol=1e-5)


def test_principal_directions_of_a_known_cloud() -> None:
    generator = torch.Generator().manual_seed(0)
    widths = torch.tensor([0.5, 3.0, 0.0, 1.0])
    axes = principal(torch.randn(4000, 4, generator=generator) * widths - 7.0, 3)
    assert torch.allclose(axes.directions, torch.eye(4)[[1, 3, 0]], atol=0.05)
    assert torch.allclose(axes.spread, widths[[1, 3, 0]], rtol=0.05)


def test_fewer_images_give_fewer_directions() -> None:
    assert principal(torch.randn(3, 10), 9).directions.shape == (2, 10)


def test_an_unused_level_does_not_move() -> None:
    model = Ladder(GREY)
    with torch.no_grad():
        model.read["z3"].weight.zero_()
        model.read["z3"].bias.zero_()
    rows = traverse(model, images(GREY, 20), only=["z3"])["z3"]
    assert torch.allclose(rows, rows[:, :1].expand_as(rows), atol=1e-6)


def test_bad_input() -> None:
    model, x = Ladder(GREY), images(GREY)
    with pytest.raises(HvaeError, match="no level named 'z4'; did you mean"):
        traverse(model, x, only=["z4"])
    with pytest.raises(HvaeError, match="no level named 'x'"):
        traverse(model, x, held=["x"])
    with pytest.raises(HvaeError, match="at least 2 images to find directions on, got 1"):
        traverse(model, x[:1])
