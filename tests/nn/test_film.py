"""How a code enters a feature: each layer against its equation, and what all layers hear in one product."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hvae.nn.film import ENTRIES, Entering, FiLM, Join, Shift, messages
from hvae.nn.layout import ChannelsLast
from hvae.nn.state import Start

CHANNELS, WIDTH = 3, 4


def literal(layer: nn.Module, h: Tensor, c: Tensor) -> Tensor:
    """As the papers write it: of a joint map, the code is laid beside the feature at every place."""
    places = [1] * (h.ndim - 2)
    if isinstance(layer, Join):
        beside = torch.cat([h, c.view(*c.shape, *places).expand(*c.shape, *h.shape[2:])], 1)
        is_known = (c != 0).any(1).view(-1, 1, *places)
        return h + torch.where(is_known, layer.joined(beside.movedim(1, -1)).movedim(-1, 1), 0.0)
    if isinstance(layer, FiLM):
        shift, scale = layer.both(c).view(len(c), 2, CHANNELS, *places).unbind(1)
        return h * (1 + scale) + shift
    assert isinstance(layer, Shift)
    return h + layer.shift(c).view(len(c), CHANNELS, *places)


@pytest.mark.parametrize("space", [(), (5,), (4, 3), (2, 3, 2)])
@pytest.mark.parametrize("how", ENTRIES)
def test_each_layer_is_its_equation_and_so_are_its_gradients(how: str, space: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layers: list[Entering] = [ENTRIES[how](CHANNELS, WIDTH, 1.0).double() for _ in range(2)]
    h = torch.randn(6, CHANNELS, *space, dtype=torch.float64, requires_grad=True)
    known = torch.tensor([1, 1, 0, 1, 1, 1], dtype=torch.float64)[:, None]
    c = torch.randn(6, WIDTH, dtype=torch.float64, requires_grad=True)
    code = c * known  # as every network of codes says "nothing known"
    weights = [h, c, *(p for layer in layers for p in layer.parameters())]
    parts = zip(layers, messages(layers, code), strict=True)
    ours = [layer(h, part, code) for layer, part in parts]
    theirs = [literal(layer, h, code) for layer in layers]
    slopes = [torch.randn_like(h) for _ in layers]
    pairs = zip(
        [*ours, *torch.autograd.grad(ours, weights, slopes, retain_graph=True)],
        [*theirs, *torch.autograd.grad(theirs, weights, slopes)],
        strict=True,
    )
    for one, other in pairs:
        torch.testing.assert_close(one, other)
    assert all(torch.equal(one[2], h[2]) for one in ours), "of nothing known, not a bit changes"


def test_a_first_state_has_the_order_of_memory_of_the_maps_that_follow() -> None:
    start = Start((CHANNELS, 5, 4), ChannelsLast())
    assert start(2).movedim(1, -1).is_contiguous()
    assert start.eval()(2).is_contiguous() and list(start.state_dict()) == ["state"]
    one = torch.zeros(2, 1, 5, 4)
    assert ChannelsLast()(one).stride(1) == 1, "of a single channel too"
    moved = ChannelsLast()(start.train()(2))
    assert ChannelsLast()(moved) is moved
