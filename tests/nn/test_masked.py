"""Autoregressive convolutions: who sees whom, and the flow they make."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hvae.nn.masked import MaskedConv, Shift, Shifts, raster_mask


def jacobian(f: nn.Module, c: int, h: int, w: int) -> Tensor:
    """Of one datum, with elements in the order of the raster: pixel by pixel, channels within."""
    z = torch.randn(1, c, h, w, dtype=torch.float64)
    full = torch.autograd.functional.jacobian(lambda z: f(z)[0], z)[:, :, :, 0]  # (c, h, w, c, h, w)
    return full.permute(1, 2, 0, 4, 5, 3).reshape(c * h * w, c * h * w)


def shift(c: int, mirrored: bool) -> Shift:
    torch.manual_seed(1)
    made = Shift(c, mirrored=mirrored).double()
    for p in made.parameters():
        if p.ndim == 4 and p.shape[1:] == (1, 1, 1):
            nn.init.constant_(p, 1.0)
    return made


@pytest.mark.parametrize("c", [1, 2, 3])
def test_a_shift_is_triangular_in_raster_order(c: int) -> None:
    j = jacobian(shift(c, mirrored=False), c, 3, 4)
    torch.testing.assert_close(j.diagonal(), torch.ones(len(j), dtype=torch.float64))
    assert torch.equal(j.triu(1), torch.zeros_like(j))
    assert (j.tril(-1) != 0).sum() > len(j)  # and says something


@pytest.mark.parametrize("c", [1, 2])
def test_mirrored_pixels_run_backwards_and_channels_do_not(c: int) -> None:
    j = jacobian(shift(c, mirrored=True), c, 3, 4)
    pixels = torch.arange(12).flip(0)[:, None] * c + torch.arange(c)
    order = pixels.flatten()
    assert torch.equal(j[order][:, order].triu(1), torch.zeros_like(j))
    assert not torch.equal(j.triu(1), torch.zeros_like(j))


def test_pairs_look_both_ways_and_keep_the_volume() -> None:
    torch.manual_seed(0)
    flow = Shifts(2, 1).double()
    for cell in flow.cells:
        for p in cell.parameters():
            if p.ndim == 4 and p.shape[1:] == (1, 1, 1):
                nn.init.constant_(p, 1.0)
    z = torch.randn(1, 2, 3, 3, dtype=torch.float64)
    j = torch.autograd.functional.jacobian(lambda z: flow(z)[0][0], z).reshape(18, 18)
    pixels = (j != 0).view(2, 9, 2, 9).any(2).any(0)
    assert pixels.all()
    torch.testing.assert_close(torch.linalg.slogdet(j).logabsdet, torch.zeros((), dtype=torch.float64))
    assert torch.equal(flow(z)[1], torch.zeros_like(z))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inverse(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    flow = Shifts(3, 2).to(dtype)
    z = torch.randn(2, 3, 6, 5, dtype=dtype)
    with torch.no_grad():
        image, _ = flow(z)
        back, log_det = flow.inverse(image)
    torch.testing.assert_close(back, z, rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-13)
    assert torch.equal(log_det, torch.zeros_like(z))
    assert not torch.allclose(image, z)


def test_gradient_through_the_inverse() -> None:
    """Of the inverse map: the inverse of the forward Jacobian."""
    made = shift(1, mirrored=False)
    z = torch.randn(1, 1, 2, 3, dtype=torch.float64)
    image = made(z).detach()
    back = torch.autograd.functional.jacobian(made.inverse, image).reshape(6, 6)
    forth = torch.autograd.functional.jacobian(made, z).reshape(6, 6)
    torch.testing.assert_close(back @ forth, torch.eye(6, dtype=torch.float64))


def test_channels_share_an_order() -> None:
    """Two hidden channels for each of two: strict ones see earlier channels only; and one out for two hidden."""
    wide = raster_mask(2, 4, 1, strict=True, mirrored=False)[:, :, 0, 0]
    assert wide.tolist() == [[0, 0], [0, 0], [1, 0], [1, 0]]
    narrow = raster_mask(4, 2, 1, strict=False, mirrored=False)[:, :, 0, 0]
    assert narrow.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]


def test_masked_weights_do_not_count_in_the_length() -> None:
    layer = MaskedConv(raster_mask(2, 4, 3, strict=False, mirrored=False))
    layer.weight.data[layer.mask == 0] = 100.0
    lengths = layer.kernel().detach().flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, layer.log_length.detach().exp().flatten(), rtol=1e-3, atol=0)
    assert "mask" not in layer.state_dict()
