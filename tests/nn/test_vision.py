"""Transformers over patches: what a place sees, where it is, and pictures of another size by the same weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from hvae.errors import HvaeError
from hvae.nn.vision import Attending, Placed, downward, upward


def pictures(*size: int) -> Tensor:
    return torch.rand(2, 3, *size, dtype=torch.float64)


def encoder(layers: int = 2) -> nn.Sequential:
    torch.manual_seed(0)
    return downward(3, 8, layers, 2, side=4).double()


def test_places_are_the_sines_and_cosines_of_row_and_column() -> None:
    at = Placed()(torch.zeros(1, 8, 5, 6, dtype=torch.float64))[0]
    for row, column in ((0, 0), (4, 1), (2, 5)):
        waves = [f(p / slow) for p in (row, column) for f in (math.sin, math.cos) for slow in (1, 100)]
        assert at[:, row, column].tolist() == pytest.approx(waves)


def test_a_layer_is_that_of_the_paper() -> None:
    """h + attention(norm h), then h + mlp(norm h), written out head by head."""
    torch.manual_seed(0)
    network = Attending(8, 1, 2).double().eval()
    h = torch.randn(1, 8, 2, 3, dtype=torch.float64)
    t = Placed()(h).flatten(2)[0].T  # (6, 8)
    [layer] = network.layers
    query, key, value = layer.self_attn.in_proj_weight.chunk(3)
    asked = layer.norm1(t)
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        scores = (asked @ query[part].T) @ (asked @ key[part].T).T / math.sqrt(4)
        heads.append(scores.softmax(1) @ (asked @ value[part].T))
    t = t + torch.cat(heads, 1) @ layer.self_attn.out_proj.weight.T
    hidden = nn.functional.gelu(layer.norm2(t) @ layer.linear1.weight.T + layer.linear1.bias)
    t = t + hidden @ layer.linear2.weight.T + layer.linear2.bias
    torch.testing.assert_close(network(h)[0].flatten(1).T, network.norm(t))


def test_every_place_sees_every_other_one() -> None:
    network, x = encoder(), pictures(8, 12)
    other = x.clone()
    other[:, :, 0, 0] += 0.5
    moved = (network(x) - network(other)).abs().amax((0, 1))
    assert bool((moved > 1e-9).all())


def test_without_layers_a_place_sees_its_patch_alone() -> None:
    network, x = encoder(layers=0), pictures(8, 12)
    other = x.clone()
    other[:, :, 0, 0] += 0.5
    moved = (network(x) - network(other)).abs().amax((0, 1)) > 1e-9
    assert moved.sum() == 1 and bool(moved[0, 0])


def test_where_a_patch_is_counts() -> None:
    network, x = encoder(), pictures(8, 8)
    swapped = torch.cat([x[..., 4:], x[..., :4]], 3)
    a, b = network(x), network(swapped)
    assert not torch.allclose(a, torch.cat([b[..., 1:], b[..., :1]], 3))


def test_the_same_weights_take_pictures_of_any_size() -> None:
    network = encoder()
    for size in ((4, 4), (8, 20), (16, 4)):
        z = network(pictures(*size))
        assert z.shape == (2, 8, size[0] // 4, size[1] // 4)
        assert upward(8, 8, 1, 2, side=4, out=5).double()(z).shape == (2, 5, *size)


def test_a_square_of_pixels_is_of_its_place() -> None:
    torch.manual_seed(0)
    network = upward(3, 8, 0, 2, side=4, out=1).double()
    z = torch.randn(1, 3, 2, 2, dtype=torch.float64)
    other = z.clone()
    other[..., 1, 0] += 1
    moved = (network(z) != network(other))[0, 0]
    assert bool(moved[4:, :4].all()) and moved.sum() == 16


def test_training_and_evaluation_say_the_same() -> None:
    """Torch takes another way through a layer where no gradient is asked for."""
    network, x = encoder(), pictures(8, 12)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(x), network.train()(x))


def test_a_width_that_does_not_fit() -> None:
    for width, heads in ((6, 2), (8, 3)):
        with pytest.raises(HvaeError, match=f"expected a width that 4 and {heads} heads divide, got {width}"):
            Attending(width, 1, heads)
