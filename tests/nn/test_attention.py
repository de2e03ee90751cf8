"""Self-attention: the formula of its paper, position by position, and nothing at the start."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from hvae.config.model import LadderConfig, LVAEConfig, VAEConfig
from hvae.config.nvae import NVAEConfig
from hvae.config.qresvae import QResVAEConfig
from hvae.config.vdvae import VDVAEConfig
from hvae.errors import HvaeError
from hvae.nn.attention import Attention
from hvae.zoo import build


def moved(width: int, heads: tuple[int, ...]) -> Attention:
    """Attention whose last map no longer is silent, in float64."""
    torch.manual_seed(0)
    layer = Attention(width, heads=heads).double()
    nn.init.normal_(layer.out.weight)
    return layer


def by_hand(layer: Attention, h: Tensor, heads: int) -> Tensor:
    """softmax(q k^T / sqrt(d)) v of each head, place by place."""
    asked = torch.einsum("oc,bcp->bop", layer.ask.weight[:, :, 0, 0], layer.norm(h).flatten(2))
    q, k, v = (asked + layer.ask.bias[:, None]).chunk(3, 1)
    out = torch.empty_like(q)
    d = h.shape[1] // heads
    for one in range(heads):
        rows = slice(one * d, (one + 1) * d)
        for place in range(q.shape[2]):
            scores = (q[:, rows, place, None] * k[:, rows]).sum(1) / math.sqrt(d)
            weights = scores.exp() / scores.exp().sum(1, keepdim=True)
            out[:, rows, place] = (weights[:, None] * v[:, rows]).sum(2)
    mapped = torch.einsum("oc,bcp->bop", layer.out.weight[:, :, 0, 0], out) + layer.out.bias[:, None]
    return h + mapped.unflatten(2, h.shape[2:])


@pytest.mark.parametrize(("heads", "count"), [((), 1), ((1,), 1), ((2,), 2), ((6,), 6)])
@pytest.mark.parametrize("size", [(3, 4), (1, 1), (5, 1)])
def test_the_formula(heads: tuple[int, ...], count: int, size: tuple[int, int]) -> None:
    layer, h = moved(6, heads), torch.randn(2, 6, *size, dtype=torch.float64)
    torch.testing.assert_close(layer(h), by_hand(layer, h, count), rtol=1e-12, atol=1e-12)


def test_it_starts_silent() -> None:
    h = torch.randn(2, 8, 3, 3)
    assert torch.equal(Attention(8, heads=(2,))(h), h)


def test_it_keeps_the_order_of_memory() -> None:
    h = torch.randn(2, 8, 3, 5).to(memory_format=torch.channels_last)
    assert Attention(8, heads=(2,))(h).is_contiguous(memory_format=torch.channels_last)


def test_what_is_far_is_heard() -> None:
    """A change in one corner reaches the other one, which no two 3x3 layers would let it."""
    layer, h = moved(4, (2,)), torch.randn(1, 4, 9, 9, dtype=torch.float64)
    other = h.clone()
    other[..., 0, 0] += 1
    assert (layer(h) - layer(other))[..., 8, 8].abs().max() > 1e-6


def test_a_ladder_attends_at_the_scales_it_names_alone() -> None:
    model = build(LadderConfig(groups=(1, 0, 2), width=8, latent=2, attention=(0, 0, 2)), (1, 8, 8), 1)
    at = [name for name, part in model.named_modules() if isinstance(part, Attention)]
    assert [name.split(".")[1 + name.startswith("bottom_up")] for name in at] == ["z2", "z3", "z3", "z2"]


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: LadderConfig(groups=(1, 1), attention=(4,)), "one number of heads for each of the 2 scales"),
        (lambda: LadderConfig(groups=(1, 1), width=6, attention=(0, 4)), "divide the 6 channels"),
        (lambda: LadderConfig(groups=(0, 1), attention=(1, 1)), "has no level, so 0, got 1"),
        (lambda: LadderConfig(groups=(1, 1), attention=(0, -1)), r"model.attention\[1\]: expected at least 0"),
        (lambda: LVAEConfig(latents=(4, 2), widths=(8, 8), attention=(0, 1)), "expected model.network conv"),
        (lambda: VAEConfig(network="conv", widths=(8, 6), attention=(0, 4)), "divide the 6 channels"),
        (lambda: NVAEConfig(attention=(0, 0, 1)), "for each of the 2 scales"),
        (lambda: NVAEConfig(encoder_width=3, attention=(0, 64)), "divide the 12 channels"),
        (lambda: QResVAEConfig(attention=(1,)), "for each of the 4 scales"),
        (lambda: VDVAEConfig(attention="7:2"), "got 2 at 7"),
        (lambda: VDVAEConfig(attention="8:7"), "got 7 at 8"),
        (lambda: VDVAEConfig(attention="8"), "expected resolution:heads"),
    ],
)
def test_impossible_heads(make: object, line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        make()
