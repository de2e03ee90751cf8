"""The order of channels in memory: a map keeps its values, and only learning on a CPU changes how it lies."""

from __future__ import annotations

import pytest
import torch

from hvae.nn.layout import ChannelsLast


@pytest.mark.parametrize("shape", [(2, 1, 5, 4), (2, 3, 5, 4), (1, 6, 1, 1)])
def test_a_map_keeps_its_values_and_a_convolution_takes_it_for_channels_last(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    y = ChannelsLast()(x)
    assert torch.equal(x, y)
    assert torch.nn.Conv2d(shape[1], 6, 3, padding=1)(y).stride()[1] == 1


def test_a_map_that_is_repeated_without_memory_has_memory_of_its_own() -> None:
    state = torch.randn(3, 5, 4)
    y = ChannelsLast()(state.expand(2, -1, -1, -1))
    y[0].zero_()
    assert torch.equal(y[1], state)


def test_gradients_pass_unchanged() -> None:
    x, weight = torch.randn(2, 3, 5, 4, requires_grad=True), torch.randn(2, 3, 5, 4)
    (slope,) = torch.autograd.grad((ChannelsLast()(x) * weight).sum(), x)
    assert torch.equal(slope, weight)


def test_in_evaluation_and_without_gradients_a_map_is_left_as_it_lies() -> None:
    x, layout = torch.randn(2, 3, 5, 4), ChannelsLast()
    with torch.no_grad():
        assert layout(x) is x
    with torch.inference_mode():
        assert layout(x) is x
    assert layout.eval()(x) is x


def test_other_devices_and_compilers_choose_for_themselves() -> None:
    x, layout = torch.randn(2, 3, 5, 4), ChannelsLast()
    assert layout(x.to("meta")).stride() == x.stride()
    torch.compiler.reset()
    compiled = torch.compile(lambda h: layout(h) + 1, fullgraph=True, backend="aot_eager")
    assert compiled(x).stride() == x.stride()
    assert (layout(x) + 1).stride() != x.stride()
