"""Steps between resolutions and units."""

from __future__ import annotations

import torch

from hvae.nn.resample import Affine, Bias, Normalise, Pool, Take


def test_normalise_speaks_of_grey_values() -> None:
    x = torch.rand(2, 3, 4, 5)
    torch.testing.assert_close(Normalise(-127.5, 1 / 127.5)(x), 2 * x - 1)
    torch.testing.assert_close(Normalise(-100.0, 0.02)(x), (255 * x - 100) / 50)
    assert Normalise(0.0, 1.0)(x).is_contiguous(memory_format=torch.channels_last)
    assert repr(Normalise(-120.5, 0.5)) == "Normalise((255 x -120.5) * 0.5)"


def test_pool_takes_means_and_fills_up() -> None:
    h = torch.arange(2 * 2 * 4 * 5.0).view(2, 2, 4, 5)
    out = Pool(2, extra=3)(h)
    assert out.shape == (2, 5, 2, 2) and not out[:, 2:].any()
    assert out[0, 0, 0, 0] == h[0, 0, :2, :2].mean()
    assert Pool(2)(h).shape == (2, 2, 2, 2)


def test_take_cuts_and_repeats() -> None:
    h = torch.randn(2, 4, 3, 2)
    out = Take(3, (6, 4))(h)
    torch.testing.assert_close(out, h[:, :3].repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert Take(4, (7, 5))(h).shape == (2, 4, 7, 5)


def test_learned_maps_start_as_identities() -> None:
    h = torch.randn(2, 4, 3, 2)
    torch.testing.assert_close(Bias((4, 3, 2))(h), h)
    torch.testing.assert_close(Affine(4)(h), h)
    affine = Affine(4)
    with torch.no_grad():
        affine.gain.fill_(2.0)
        affine.bias.fill_(1.0)
    torch.testing.assert_close(affine(h), 2 * h + 1)
