"""The head of the five-bit mixture."""

from __future__ import annotations

import pytest
import torch

from hvae.distributions.fivebit import HighBits
from hvae.distributions.logistic import log_mass
from hvae.errors import HvaeError
from hvae.levels.fivebit import FiveBitHead


def test_the_head_reads_five_or_eight_bits() -> None:
    raw = torch.randn(2, 30, 4, 4)
    five, eight = (FiveBitHead((3, 4, 4), n, mixtures=3, mass=log_mass) for n in (32, 256))
    greys = torch.randint(0, 256, (2, 3, 4, 4)).float()
    torch.testing.assert_close(five(raw).log_prob((greys / 8).floor() / 31), eight(raw).log_prob(greys / 255))
    assert isinstance(eight(raw), HighBits) and not isinstance(five(raw), HighBits)
    with pytest.raises(HvaeError, match="got 64 levels: set data.bits=5, or choose model.likelihood dmol"):
        FiveBitHead((3, 4, 4), 64, mixtures=3, mass=log_mass)
