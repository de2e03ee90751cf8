"""Pictures that are put into frames, and where things are in them."""

import math

import pytest
import torch
from torch import Tensor

from hvae.nn.sprites import (
    NARROWEST,
    SLOWNESS,
    Dealt,
    Parts,
    Slice,
    Sprites,
    Sum,
    Whereabouts,
    pictures,
    places,
    spot,
)

SIZE = (11, 14)


def sprites(count: int = 1, side: int = 5, parameters: int = 1) -> Sprites:
    torch.manual_seed(0)
    shape = (count, parameters, side, side)
    place, picture = places(2, 6, count), pictures(3, 6, shape)
    return Sprites((2, 3), shape=shape, place=place, picture=picture, size=SIZE).double()


def put(network: Sprites, centre: tuple[float, float], picture: Tensor) -> Tensor:
    """The frame (H, W) of one picture (s, s) at a centre in pixels, on ground 0."""
    last, what = network.place[-1], network.picture[-1]
    with torch.no_grad():
        for layer in (last, what, network.ground):
            layer.weight.zero_()
            layer.bias.zero_()
        room = torch.tensor(SIZE, dtype=torch.float64) - len(picture)
        last.bias.copy_(torch.logit((torch.tensor(centre, dtype=torch.float64) - len(picture) / 2) / room))
        what.bias.copy_(picture.flatten() / SLOWNESS)
        return network(torch.zeros(1, 5, dtype=torch.float64))[0, 0]


def test_a_picture_is_put_where_it_is_said() -> None:
    """Against the sum of Gaussians of its formula, and a pixel further on it is the same picture."""
    network, picture = sprites(), torch.rand(5, 5, dtype=torch.float64)
    width = NARROWEST + network.log_width.exp().item()

    def density(distance: float) -> float:
        return math.exp(-0.5 * (distance / width) ** 2) / (width * math.sqrt(2 * math.pi))

    frame = put(network, (5.5, 7.25), picture)
    for y, x in ((3, 6), (5, 7), (9, 2)):
        truth = sum(
            density(y + 0.5 - 5.5 - (i - 2)) * float(picture[i, j]) * density(x + 0.5 - 7.25 - (j - 2))
            for i in range(5)
            for j in range(5)
        )
        assert frame[y, x].item() == pytest.approx(truth, rel=1e-9)
    assert torch.allclose(put(network, (6.5, 9.25), picture)[1:, 2:], frame[:-1, :-2], rtol=1e-9)


@pytest.mark.parametrize("centre", [(5.5, 7.5), (5.2, 7.9), (6.0, 7.0)])
def test_an_even_picture_stays_even_at_the_narrowest(centre: tuple[float, float]) -> None:
    network = sprites(side=9)
    with torch.no_grad():
        network.log_width.fill_(-30)
    frame = put(network, centre, torch.ones(9, 9, dtype=torch.float64))
    assert (frame[5, 7] - 1).abs() < 2 * (2.1 * math.exp(-2 * math.pi**2 * NARROWEST**2))


def test_each_state_has_its_part() -> None:
    """Another place draws the same pictures, another picture leaves the places; every weight learns."""
    network = sprites(count=2, parameters=3)
    states = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    frame = network(states)
    assert frame.shape == (4, 3, *SIZE)
    frame.square().sum().backward()
    assert all(w.grad is not None and (w.grad != 0).any() for w in network.parameters())
    quick, still = states.detach().split([2, 3], 1)
    again = network(torch.cat([quick.flip(0), still], 1))
    assert not torch.allclose(again, frame)
    assert torch.equal(network.place(quick), network.place(torch.cat([quick, still], 1)[:, :2]))


def test_the_start() -> None:
    """Every picture is one round light, on the ground that the data have, and never outside of the frame."""
    network = sprites(count=2, side=9, parameters=2)
    ground = torch.tensor([-2.0, 0.5], dtype=torch.float64)
    network.begin(ground)
    assert torch.equal(network.ground.bias.data, ground)
    light = network.picture[-1].bias.data.mul(SLOWNESS).unflatten(0, (2, 2, 9, 9))
    assert torch.allclose(light, spot(9).double().expand_as(light)) and spot(9).argmax() == 40
    states = 100 * torch.randn(50, 5, dtype=torch.float64)
    states[:, 2:] = 0
    brightest = (network(states) - ground[:, None, None])[:, 0].flatten(1).argmax(1)
    rows, columns = brightest // SIZE[1], brightest % SIZE[1]
    assert (rows >= 4).all() and (rows <= SIZE[0] - 5).all() and (columns >= 4).all() and (columns <= SIZE[1] - 5).all()


def test_where_the_light_of_a_map_is() -> None:
    network = Whereabouts(1, 1).double()
    with torch.no_grad():
        network.maps.weight.fill_(50)
        network.lean.zero_()
    x = torch.zeros(2, 1, 5, 9, dtype=torch.float64)
    x[0, 0, 1, 6] = x[1, 0, 4, 0] = 1
    assert torch.allclose(network(x), torch.tensor([[-0.5, 0.5], [1.0, -1.0]], dtype=torch.float64))
    x[0, 0, 1, 2] = 1  # of two things the mean, or the left one
    assert torch.allclose(network(x)[0], torch.tensor([-0.5, 0.0], dtype=torch.float64))
    with torch.no_grad():
        network.lean[0, 1] = -50
    assert torch.allclose(network(x)[0], torch.tensor([-0.5, -0.5], dtype=torch.float64))


def test_each_picture_is_drawn_from_its_own_part() -> None:
    """Parts that change places exchange the pictures, and each is a round light at the start."""
    torch.manual_seed(0)
    picture = Dealt(pictures(3, 6, (3, 5, 5)), 2, 4)
    network = Sprites((2, 5), shape=(2, 3, 5, 5), place=places(2, 6, 2), picture=picture, size=SIZE).double()
    states = torch.randn(3, 5, dtype=torch.float64)
    drawn = network.picture(states).unflatten(1, network.shape)
    assert drawn.shape == (3, 2, 3, 5, 5)
    swapped = network.picture(states[:, [0, 3, 4, 1, 2]]).unflatten(1, network.shape)
    assert torch.allclose(swapped, drawn.flip(1)) and not torch.allclose(drawn, drawn.flip(1))
    start = network.picture.network[-1].bias.mul(SLOWNESS).unflatten(0, (3, 5, 5))
    assert torch.allclose(start, spot(5).double().expand(3, 5, 5))
    network(torch.randn(4, 7, dtype=torch.float64)).square().sum().backward()
    assert all(w.grad is not None and (w.grad != 0).any() for w in network.parameters())


def test_networks_of_what_all_hear_and_of_a_part() -> None:
    h = torch.tensor([[1.0, 2, 3, 4, 5]])
    assert Dealt(torch.nn.Identity(), 2, 4)(h).tolist() == [[1, 2, 3, 1, 4, 5]]
    assert Parts((2, 3), torch.nn.Flatten(), torch.nn.AvgPool1d(2, 1))(h).tolist() == [[1, 2, 3.5, 4.5]]
    assert Slice(1, 3)(h).tolist() == [[2, 3]]


def test_a_sum_of_networks() -> None:
    assert Sum(torch.nn.Identity(), torch.nn.Flatten())(torch.ones(2, 3)).tolist() == [[2.0] * 3] * 2
