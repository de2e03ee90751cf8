"""Things are followed through a film whose truth is known, and read where they are."""

import math

import pytest
import torch
from torch import Tensor

from hvae.nn.following import SURE, Following, Sure, alone, at_once, follow, light, squares

SIDE = 8


def film(paths: Tensor, sides: tuple[int, ...] = (4, 6), size: tuple[int, int] = (24, 30)) -> Tensor:
    """Even squares of these sides, centred on whole pixels (T, K, 2), in frames (1, T, 1, H, W)."""
    frames = torch.zeros(1, len(paths), 1, *size, dtype=torch.float64)
    for t, places in enumerate(paths.tolist()):
        for (y, x), side in zip(places, sides, strict=True):
            half = side // 2
            frames[0, t, 0, int(y) - half : int(y) + half, int(x) - half : int(x) + half] = 1
    return frames


def passing() -> Tensor:
    """Two things that pass each other, and of which one comes back from an edge: (T, 2, 2)."""
    left = [[8, x] for x in range(6, 26, 2)]
    right = [[14, abs(x - 5) + 5] for x in range(20, 0, -2)]
    return torch.tensor([left, right], dtype=torch.float64).transpose(0, 1)


def test_each_keeps_its_number_when_two_pass_each_other() -> None:
    """The first is the left one where they are furthest apart: here at the end, when they have passed."""
    centres = follow(light(film(passing())), 2, SIDE)[0].flip(1)
    assert (centres - passing()).abs().max() < 1.5
    assert centres[0, 0, 1] < centres[0, 1, 1] and centres[-1, 0, 1] > centres[-1, 1, 1]


def test_brightness_and_ground_do_not_matter() -> None:
    x = film(passing())
    centres = follow(light(x), 2, SIDE)
    assert torch.allclose(follow(light(0.7 - 0.3 * x), 2, SIDE), centres)
    assert torch.allclose(follow(light(x.expand(-1, -1, 3, -1, -1)), 2, SIDE), centres)


def test_pixels_at_an_odd_edge_count_once_and_lie_within_the_frame() -> None:
    """Two equal lights, of which one is the last column: their middle is that of columns 4-5 and 20."""
    mass = torch.zeros(1, 2, 13, 21, dtype=torch.float64)
    mass[:, :, 6, [4, 20]] = 1.0
    torch.testing.assert_close(follow(mass, 1, 40)[0, 0, 0], torch.tensor([7.0, (5.0 + 20.5) / 2], dtype=torch.float64))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_things_that_stand_still(count: int) -> None:
    places = torch.tensor([[[8.0, 6.0], [10.0, 14.0], [12.0, 24.0]]], dtype=torch.float64)[:, :count].expand(4, -1, -1)
    centres = follow(light(film(places, (4,) * count)), count, SIDE)
    assert torch.allclose(centres[0], places, atol=0.3)


def test_what_things_look_like() -> None:
    """One of 4 x 4 and one of 6 x 6 pixels, whatever way they go, in the middle of their squares."""
    seen = Following(2, SIDE)(film(passing()), None)
    assert seen.shape == (1, 10, 8 + 2 * SIDE**2) and torch.equal(seen[0, 0, 8:], seen[0, -1, 8:])
    large, small = seen[0, 0, 8:].unflatten(0, (2, SIDE, SIDE))
    assert abs(float(small.sum()) - 16) < 3 and abs(float(large.sum()) - 36) < 4
    for look in (small, large):
        assert (look[3:5, 3:5] > 0.8).all()
    shares, moves = seen[0, :, :4].unflatten(1, (2, 2)), seen[0, :, 4:8].unflatten(1, (2, 2))
    room = torch.tensor([24.0, 30.0]).double() - SIDE
    where = SIDE / 2 + room * shares.sigmoid()
    assert torch.allclose(where, passing().flip(1), atol=1.5) and not moves[0].any()
    assert torch.allclose((where[1:] - where[:-1]), moves[1:] * (room + SIDE) / 2, atol=1.0)


def test_padding_says_nothing() -> None:
    x, lengths = film(passing()).repeat(2, 1, 1, 1, 1), torch.tensor([10, 6])
    other = x.clone()
    other[1, 6:] = torch.rand_like(other[1, 6:])
    a, b = (Following(2, SIDE)(some, lengths) for some in (x, other))
    assert torch.equal(a[0], b[0]) and torch.equal(a[1, :6], b[1, :6])
    assert torch.allclose(a[1, :6], Following(2, SIDE)(x[1:, :6], None)[0])


def test_frames_of_nothing() -> None:
    """No light, no NaN; and where a thing is hidden for a while it goes on as it went."""
    assert Following(2, SIDE)(torch.zeros(1, 3, 1, 12, 12), None).isfinite().all()
    way = torch.tensor([[[8.0, 6.0 + 2 * t]] for t in range(8)], dtype=torch.float64)
    x = film(way, (4,))
    x[:, 4] = 0
    assert torch.allclose(follow(light(x), 1, SIDE)[0], way, atol=0.5)


def test_the_start_is_what_inference_is_told() -> None:
    """Locations are the first numbers of what is read, with little doubt, and the map to places hands them on."""
    torch.manual_seed(0)
    told, message = torch.randn(3, 8), Sure(8, 6, 4, 5)
    location, scale = message(told).chunk(2, 1)
    assert torch.equal(location[:, :4], told[:, :4]) and not location[:, 4:].any()
    assert (scale[:, :4] == SURE).all() and not scale[:, 4:].any()
    assert torch.equal(at_once(5, 4)(location), told[:, :4])


def test_how_far_apart() -> None:
    centres = torch.tensor([[[[0.0, 0.0], [0.0, 4.0], [0.0, 400.0]]]])
    near = 1 - math.exp(-0.5)
    assert torch.allclose(alone(centres, SIDE)[0, 0], torch.tensor([near, near, 1.0]))


def test_squares_are_means_of_what_counts() -> None:
    x, centres = film(passing()), passing()[None]
    weight = torch.zeros(2, 1, 10, dtype=torch.float64)
    weight[:, 0, 9] = 3
    looks = squares(x, centres, SIDE, weight)
    alone_there = squares(x[:, 9:], centres[:, 9:], SIDE, torch.ones(2, 1, 1, dtype=torch.float64))
    assert looks.shape == (1, 2, 1, SIDE, SIDE) and torch.allclose(looks, alone_there)
    assert not squares(x, centres, SIDE, 0 * weight).any()
