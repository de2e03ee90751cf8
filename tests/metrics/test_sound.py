"""Distances of sound against closed forms, and bitrates of a toy."""

from __future__ import annotations

import math

import pytest
import torch

from hvae import Datum, build, from_top, mode
from hvae.config.vqvae import RQVAEConfig
from hvae.metrics.sound import MOST_DB, bitrates, si_sdr, spectral_distance

RATE = 8000


def test_si_sdr_of_orthogonal_noise() -> None:
    s = torch.sin(2 * math.pi * 5 * torch.arange(1000, dtype=torch.float64) / 1000)
    n = torch.cos(2 * math.pi * 5 * torch.arange(1000, dtype=torch.float64) / 1000)
    for share in (0.1, 0.5):
        assert si_sdr(s, 3 * (s + share * n) + 1) == pytest.approx(-20 * math.log10(share))
    assert si_sdr(s, 0.1 * s) == MOST_DB
    assert si_sdr(s, n) < -MOST_DB + 30


def test_spectral_distance_is_loudness_and_has_a_floor() -> None:
    x = torch.randn(8000, dtype=torch.float64)
    assert spectral_distance(x, x, RATE) == 0
    assert spectral_distance(x, 10 * x, RATE) == pytest.approx(20, abs=1e-6)
    assert spectral_distance(1e-5 * x, 1e-9 * x, RATE) == 0
    assert spectral_distance(x[:3], x[:3], RATE) == 0, "shorter than a window"


def test_bitrates_are_those_of_reconstructions_from_the_top() -> None:
    torch.manual_seed(0)
    model = build(RQVAEConfig(codes=4, dims=3, width=8, hidden=4, stride=4, depth=3), (24, 2), bits=16).double()
    x, lengths = torch.rand(3, 24, 2, dtype=torch.float64), torch.tensor([24, 8, 16])
    model.prepare(Datum(x))
    rates = bitrates(model, [Datum(x[:2], lengths=lengths[:2]), Datum(x[2:, :16])], RATE)
    assert [one.bits_per_second for one in rates] == pytest.approx([k * 2 * RATE / 8 for k in (1, 2, 3)])
    shown = from_top(model, x, counts=[1, 2, 3], rest=mode).clamp(0, 1)
    for one, picture in zip(rates, shown, strict=True):
        pairs = [(x[i, :n].flatten(), picture[i, :n].flatten()) for i, n in enumerate(lengths.tolist())]
        means = [sum(f(2 * a - 1, 2 * b - 1) for a, b in pairs) / 3 for f in (si_sdr, _distance)]
        assert [one.si_sdr_db.mean, one.spectral_db.mean] == pytest.approx(means)


def _distance(a: torch.Tensor, b: torch.Tensor) -> float:
    return spectral_distance(a, b, RATE)
