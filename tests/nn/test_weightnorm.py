"""Weight-normalised layers: what they compute, and how they start from data."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.nn.begin import initialise
from hvae.nn.gated import Halve
from hvae.nn.weightnorm import (
    LOG,
    PLAIN,
    Length,
    Normed,
    NormedConv,
    NormedLinear,
    NormedTransposed,
    between,
)


def scrambled(layer: Normed) -> Normed:
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, 0.2, 1.0)
    return layer.double()


def weights(layer: Normed) -> Tensor:
    """g v / |v|, written out."""
    v = layer.direction if layer.mask is None else layer.direction * layer.mask
    g = layer.gain.exp() if layer.length is LOG else layer.gain
    return g * v / v.flatten(1).norm(dim=1).view_as(layer.gain)


@pytest.mark.parametrize("length", [PLAIN, LOG], ids=["plain", "log"])
def test_weights_are_a_direction_times_a_length(length: Length) -> None:
    mask = torch.ones(3, 2, 3, 3).tril()
    layers = [
        NormedConv(2, 3, 3, std=0.1, length=length, mask=mask),
        NormedConv(2, 3, 4, std=0.1, length=length),
        NormedTransposed(2, 3, 5, size=(6, 5), std=0.1, length=length),
        NormedLinear(4, 3, std=0.1, length=length),
    ]
    for layer in map(scrambled, layers):
        torch.testing.assert_close(layer.weight(), weights(layer))


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("size", [(6, 8), (7, 5)])
def test_a_transposed_layer_is_the_adjoint_of_the_convolution(kernel: int, size: tuple[int, int]) -> None:
    """<conv(x), y> = <x, transposed(y)> with the same weights, at even and at odd sizes."""
    down = scrambled(NormedConv(2, 3, kernel, stride=2, std=0.1))
    up = scrambled(NormedTransposed(3, 2, kernel, size=size, std=0.1))
    x = torch.randn(1, 2, *size, dtype=torch.float64)
    small = F.conv2d(x, down.weight(), None, 2, 0).shape[2:]
    y = torch.randn_like(down(x))
    assert y.shape[2:] == tuple((side + 1) // 2 for side in size) and small <= y.shape[2:]
    w = up.weight()
    with torch.no_grad():
        down.bias.zero_()
        up.bias.zero_()
        down.direction.copy_(w.transpose(0, 1))
        down.gain.copy_(w.transpose(0, 1).flatten(1).norm(dim=1).view(-1, 1, 1, 1))
    torch.testing.assert_close((down(x) * y).sum(), (x * up(y)).sum())


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 16])
def test_a_convolution_keeps_or_halves_the_size(kernel: int) -> None:
    x = torch.randn(2, 3, 7, 6)
    assert NormedConv(3, 2, kernel, std=0.1)(x).shape == (2, 2, 7, 6)
    assert NormedConv(3, 2, kernel, stride=2, std=0.1)(x).shape == (2, 2, 4, 3)


def test_halving_sees_the_pixels_that_a_convolution_sees() -> None:
    layer = NormedConv(1, 1, 3, stride=2, std=0.1)
    with torch.no_grad():
        layer.direction.fill_(1.0)
        layer.gain.fill_(3.0)  # nine weights of one
    for size in [(6, 8), (7, 5), (1, 2)]:
        x = torch.randn(2, 1, *size)
        torch.testing.assert_close(Halve()(x), layer(x) / 9)


class Two(nn.Module):
    """The second layer is met twice, the third never."""

    def __init__(self) -> None:
        super().__init__()
        self.first = NormedConv(1, 4, 3, std=0.1, length=LOG)
        self.second = NormedConv(4, 4, 3, std=0.5)
        self.never = NormedLinear(3, 3, std=0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(F.elu(self.second(F.elu(self.first(x)))))


def test_each_layer_starts_from_the_first_input_that_it_meets() -> None:
    torch.manual_seed(0)
    model, x = Two(), 5 * torch.randn(32, 1, 8, 8) + 3
    before = model.never.gain.clone()
    initialise(model, lambda: model(x))
    first = model.first(x)
    second = model.second(F.elu(first))
    for out, std in ((first, 0.1), (second, 0.5)):
        channels = out.transpose(0, 1).flatten(1)
        torch.testing.assert_close(channels.mean(1), torch.zeros(4), atol=1e-5, rtol=0)
        torch.testing.assert_close(channels.std(1, correction=0), torch.full((4,), std))
    assert torch.equal(model.never.gain, before)
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_an_interrupted_start_leaves_no_hook() -> None:
    model = Two()
    with pytest.raises(RuntimeError):
        initialise(model, lambda: model(torch.zeros(1, 2, 8, 8)))
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_constant_channels_keep_their_length() -> None:
    layer = NormedConv(1, 3, 1, std=0.1)
    initialise(layer, lambda: layer(torch.full((4, 1, 5, 5), 2.0)))
    assert torch.equal(layer.gain, torch.ones(3, 1, 1, 1))
    torch.testing.assert_close(layer(torch.full((4, 1, 5, 5), 2.0)), torch.zeros(4, 3, 5, 5))


def test_models_without_such_layers_are_not_run() -> None:
    initialise(nn.Linear(1, 1), lambda: pytest.fail("it ran"))


def test_between_features_of_any_two_neighbouring_sizes() -> None:
    for a, b in [((2, 7, 6), (3, 7, 6)), ((2, 7, 6), (3, 4, 3)), ((2, 4, 3), (3, 7, 6)), ((2, 1, 1), (3, 1, 1))]:
        assert between(a, b, 3, std=0.1)(torch.randn(2, *a)).shape == (2, *b)
