from __future__ import annotations

import pytest
import torch
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as reference

from hvae.errors import HvaeError
from hvae.metrics.similarity import ms_ssim, scales


def test_five_scales_agree_with_another_implementation() -> None:
    a = torch.nn.functional.avg_pool2d(torch.rand(2, 3, 200, 200), 5, 1, 2)
    b = (a + 0.05 * torch.randn_like(a)).clamp(0, 1)
    assert scales(200, 200) == 5
    for i in range(2):
        # Theirs pads the borders; ours takes whole windows alone.
        expected = float(reference(a[i : i + 1], b[i : i + 1], data_range=1.0))
        assert float(ms_ssim(a, b)[i]) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("channels", [1, 3])
def test_structure_of_either_sign_is_averaged_before_negative_means_are_cut(channels: int) -> None:
    """Windows of unrelated noise agree as often as they disagree: cut first, the half that agrees would remain."""
    a, b = torch.rand(2, 40, channels, 192, 192, dtype=torch.float64).unbind(0)
    found = ms_ssim(a, b).mean()
    expected = torch.stack([reference(x[None], y[None], data_range=1.0) for x, y in zip(a, b, strict=True)]).mean()
    assert float(found) == pytest.approx(float(expected), abs=0.01)


def test_opposite_structure_has_none() -> None:
    x = torch.rand(2, 1, 32, 32)
    assert ms_ssim(x, 1 - x).tolist() == [0.0, 0.0]


def test_more_noise_is_less_alike() -> None:
    a = torch.nn.functional.avg_pool2d(torch.rand(1, 1, 40, 40), 5, 1, 2)
    found = [float(ms_ssim(a, a + s * torch.randn_like(a))) for s in (0.0, 0.02, 0.1, 0.5)]
    assert found[0] == pytest.approx(1) and found == sorted(found, reverse=True) and found[-1] < 0.5


def test_each_datum_by_itself_and_symmetric() -> None:
    a, b = torch.rand(5, 2, 32, 24), torch.rand(5, 2, 32, 24)
    torch.testing.assert_close(ms_ssim(a, b)[3:4], ms_ssim(a[3:4], b[3:4]))
    torch.testing.assert_close(ms_ssim(a, b), ms_ssim(b, a))


def test_a_shift_of_brightness_is_seen_at_the_coarsest_scale_alone() -> None:
    a = torch.nn.functional.avg_pool2d(torch.rand(1, 1, 64, 64), 5, 1, 2) * 0.5
    assert 0.5 < float(ms_ssim(a, a + 0.3)) < 0.999


def test_faults_are_one_line() -> None:
    with pytest.raises(HvaeError, match="11x11 or more for MS-SSIM, got 8x8"):
        ms_ssim(torch.rand(1, 1, 8, 8), torch.rand(1, 1, 8, 8))
    with pytest.raises(HvaeError, match="of one shape"):
        ms_ssim(torch.rand(1, 1, 16, 16), torch.rand(2, 1, 16, 16))
