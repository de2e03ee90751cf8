"""Networks of patches: any size by the same weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hvae.nn.patch import Everywhere, Patches, Unpatched, patched


@pytest.mark.parametrize("size", [(8, 8), (5, 9), (1, 1), (13, 4)])
@pytest.mark.parametrize("side", [1, 2, 4])
def test_patches_cover_every_size_and_lead_back(size: tuple[int, int], side: int) -> None:
    there = Patches(3, 6, side)(torch.rand(2, 3, *size))
    assert there.shape == (2, 6, *patched(size, side))
    assert Unpatched(6, 3, side, size)(there).shape == (2, 3, *size)


def test_a_size_that_is_no_multiple_repeats_its_edge() -> None:
    patches = Patches(1, 4, 2)
    nn.init.eye_(patches.layer.weight.view(4, 4))
    corner = patches(torch.arange(9.0).view(1, 1, 3, 3))[0, :, 1, 1]
    assert corner.tolist() == [8.0, 8.0, 8.0, 8.0]


def test_the_first_state_is_the_same_everywhere_and_at_every_size() -> None:
    small, large = Everywhere(3, (2, 2)), Everywhere(3, (5, 4))
    large.load_state_dict(small.state_dict())
    assert large(2).shape == (2, 3, 5, 4)
    assert torch.equal(large(2)[:, :, :2, :2], small(2)) and large(1).std((2, 3)).max() == 0
