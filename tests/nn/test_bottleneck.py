"""Blocks that share their products, against the plain convolutions that they stand for."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.nn import BottomUp
from hvae.nn.activated import positionwise
from hvae.nn.bottleneck import Bottleneck, Fan, Fanned, Pending, Pointwise, Tail, Twin, onto, square


def map_of(channels: int) -> Tensor:
    return torch.randn(2, channels, 5, 4, dtype=torch.float64)


def kernel(layer: nn.Module) -> Tensor:
    weight = layer.weight
    return weight if weight.ndim == 4 else weight[:, :, None, None]


def plain_tail(tail: Tail, h: Tensor) -> Tensor:
    for layer in (tail.second, tail.third, tail.last):
        weight = kernel(layer)
        h = F.conv2d(F.gelu(h), weight, layer.bias, padding=weight.shape[-1] // 2)
    return h


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_positionwise_is_a_1x1_convolution(memory: torch.memory_format) -> None:
    h, weight, bias = map_of(6).contiguous(memory_format=memory), torch.randn(7, 6).double(), torch.randn(7).double()
    torch.testing.assert_close(positionwise(h, weight, bias), F.conv2d(h, weight[:, :, None, None], bias))


@pytest.mark.parametrize("size", [1, 3])
def test_a_bottleneck_is_four_convolutions_around_an_identity(size: int) -> None:
    block, h = Bottleneck(6, 3, kernel=size, gain=0.5).double(), map_of(6)
    assert kernel(square(3, size)).shape == (3, 3, size, size)
    plain = h + plain_tail(block.tail, F.conv2d(F.gelu(h), kernel(block.first), block.first.bias))
    torch.testing.assert_close(block(h), plain)


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_steps_add_to_a_state_and_leave_it_as_it_was(memory: torch.memory_format) -> None:
    h, a, z = (map_of(c).contiguous(memory_format=memory).requires_grad_() for c in (6, 3, 2))
    layers = [Pending(3, 6).double(), Pending(2, 6).double()]
    for layer in layers:
        nn.init.normal_(layer.bias)
    parameters = [h, a, z, *(p for layer in layers for p in layer.parameters())]
    before = h.detach().clone()
    steps = [layer(x) for layer, x in zip(layers, (a, z), strict=True)]
    for some in (steps, steps[:1]):
        found, plain = onto(h, *some), h + sum(step.value() for step in some)
        torch.testing.assert_close(found, plain)
        slope, used = torch.randn_like(plain), [p for p in parameters if some is steps or p is not z]
        for mine, theirs in zip(*(_gradients(x, slope, used) for x in (found, plain)), strict=True):
            torch.testing.assert_close(mine, theirs)
    assert torch.equal(h, before)


def _gradients(outcome: Tensor, slope: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    found = torch.autograd.grad(outcome, inputs, slope, allow_unused=True)
    return [torch.zeros(()) if g is None else g for g in found]


def test_in_half_precision_a_state_stays_single() -> None:
    layer, h, a = Pending(3, 6), map_of(6).float(), map_of(3).float()
    with torch.autocast("cpu", torch.bfloat16):
        moved = onto(h, layer(a))
    assert moved.dtype == torch.float32
    torch.testing.assert_close(moved, onto(h, layer(a)), rtol=0.05, atol=0.05)


def test_twins_with_a_fan_are_blocks_over_stacked_inputs() -> None:
    fan = Fan(6, 3, ["b", "a"]).double()
    e, h = map_of(6), map_of(6)
    halves = fan(e)
    assert list(halves) == ["b", "a"] and halves["a"].shape == (2, 3, 5, 4)
    for i, name in enumerate(["b", "a"]):
        twin = Twin(6, 3, 4, kernel=3).double()
        nn.init.normal_(twin.alone.last.weight)
        nn.init.normal_(twin.bias)
        stacked = torch.cat([twin.weight[3:], fan.weight[3 * i : 3 * i + 3]], 1)  # of [h, e]
        joint = F.conv2d(F.gelu(torch.cat([h, e], 1)), stacked[:, :, None, None], twin.bias[3:])
        alone = F.conv2d(F.gelu(h), twin.weight[:3, :, None, None], twin.bias[:3])
        same, (numbers, step), inferred = twin(h, halves[name])
        assert torch.equal(same, h)
        assert numbers.shape[1] == 4 and step.weight.shape == (6, 3)
        torch.testing.assert_close(torch.cat([numbers, step.value()], 1), plain_tail(twin.alone, alone))
        torch.testing.assert_close(inferred, plain_tail(twin.joint, joint))
        torch.testing.assert_close(twin(h)[1], (numbers, step))
        assert twin(h)[2] is None


def test_starts() -> None:
    torch.manual_seed(0)
    layer = Pointwise(64, 512, gain=0.5)
    assert not layer.bias.any() and layer.weight.detach().abs().max() == pytest.approx(0.5 / 8, rel=0.01)
    twin = Twin(64, 32, 4, kernel=3)
    inside = map_of(32).float()
    assert not any(step.value().any() for step in twin.alone(inside)) and twin.joint(inside)[0].value().any()
    assert (twin.weight[:32].std() / twin.weight[32:].std()).item() == pytest.approx(math.sqrt(2), rel=0.05)


def test_features_are_fanned_out_to_their_levels() -> None:
    up = BottomUp({"5": nn.Conv2d(1, 6, 1), "2": nn.AvgPool2d(2)})
    fanned = Fanned(up, {"5": Fan(6, 3, ["z2", "z1"]), "2": Fan(6, 4, ["z3"])})
    found = fanned(torch.randn(2, 1, 5, 4))
    assert {name: tuple(e.shape) for name, e in found.items()} == {
        "z2": (2, 3, 5, 4),
        "z1": (2, 3, 5, 4),
        "z3": (2, 4, 2, 2),
    }
