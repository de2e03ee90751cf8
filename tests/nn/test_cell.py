"""NVAE's cells: shapes, the size of the branch, and what the skip connections compute."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hvae.nn.cell import Gate, Halve, double, inverted, inverted_up, residual, residual_down
from hvae.nn.state import Recomputed


@pytest.mark.parametrize(
    ("cell", "out"),
    [
        (residual(8, gated=True), (8, 4, 4)),
        (residual_down(8, 16, gated=True), (16, 2, 2)),
        (residual_down(8, 10, gated=False), (10, 2, 2)),
        (inverted(8, 6, gated=False), (8, 4, 4)),
        (inverted_up(8, 4, 3, gated=True), (4, 8, 8)),
    ],
)
def test_shapes_and_gradients(cell: nn.Module, out: tuple[int, ...]) -> None:
    y = cell(torch.randn(2, 8, 4, 4))
    assert y.shape == (2, *out)
    y.square().sum().backward()
    assert all(w.grad is not None for w in cell.parameters())


def test_the_branch_is_a_tenth_and_gated() -> None:
    torch.manual_seed(0)
    cell = residual(8, gated=True).eval()
    h = torch.randn(2, 8, 4, 4)
    f = cell.branch(h)
    squeezed = F.relu(F.linear(f.mean((2, 3)), cell.gate.squeeze.weight, cell.gate.squeeze.bias))
    gate = torch.sigmoid(F.linear(squeezed, cell.gate.excite.weight, cell.gate.excite.bias))
    torch.testing.assert_close(cell(h), h + 0.1 * gate[:, :, None, None] * f)


def test_a_gate_squeezes_to_a_sixteenth_but_not_below_four() -> None:
    assert Gate(128).squeeze.out_features == 8 and Gate(16).squeeze.out_features == 4


def test_halving_sees_every_pixel_once() -> None:
    layer = Halve(1, 4)
    for grid in layer.grids:
        nn.init.ones_(grid.weight)
        nn.init.zeros_(grid.bias)
        nn.init.zeros_(grid.log_length)
    h = torch.arange(16.0).view(1, 1, 4, 4) + 10  # where SiLU is the identity
    out = layer(h)[0]
    torch.testing.assert_close(out.flatten().sort().values, h.flatten(), rtol=1e-3, atol=0)
    torch.testing.assert_close(out[:, 0, 0], h[0, 0, [0, 1, 0, 1], [0, 1, 1, 0]], rtol=1e-3, atol=0)


def test_doubling_keeps_the_corners_and_commutes_with_the_map() -> None:
    layer = double(3, 2)
    h = torch.randn(1, 3, 4, 4)
    up = F.interpolate(h, scale_factor=2, mode="bilinear", align_corners=True)
    torch.testing.assert_close(layer(h), layer[0](up))


def test_recomputation_counts_a_batch_once() -> None:
    torch.manual_seed(0)
    plain = inverted(4, 3, gated=True)
    recomputed = Recomputed(inverted(4, 3, gated=True))
    recomputed.network.load_state_dict(plain.state_dict())
    h = torch.randn(3, 4, 5, 5)
    for cell in (plain, recomputed):
        cell(h).square().sum().backward()
    for (name, a), b in zip(plain.named_buffers(), recomputed.buffers(), strict=True):
        assert torch.equal(a, b), name
    for (name, a), b in zip(plain.named_parameters(), recomputed.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, msg=name)
