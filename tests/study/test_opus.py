"""Opus beside codes of sound: its packets, where the library is here, and a reason where it is not."""

from __future__ import annotations

import sys

import pytest
import torch

from hvae.study.measures.opus import LEVELS, beside, packets


def page(segments: bytes) -> bytes:
    return b"OggS" + bytes(22) + bytes([len(segments)]) + segments + bytes(sum(segments))


def test_packets_without_headers_and_pages() -> None:
    """Two headers, a packet of 300 bytes, one of 255 that ends in an empty segment, and one across two pages."""
    content = page(bytes([19])) + page(bytes([50])) + page(bytes([255, 45, 255, 0, 255])) + page(bytes([7]))
    assert packets(content) == 300 + 255 + 262


def test_why_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    rates, why = beside([torch.zeros(80)], 8000)
    assert not rates and why.startswith("Opus: the package 'soundfile' (extra 'audio') is not installed; ")


def test_opus_comes_near() -> None:
    pytest.importorskip("soundfile", reason="writes Opus; pip install '.[audio]'")
    time = torch.arange(8000, dtype=torch.float64) / 8000
    tone = 0.3 * torch.sin(2 * torch.pi * 440 * time)
    rates, missing = beside([tone, tone[:3000]], 8000)
    assert not missing and len(rates) == len(LEVELS)
    assert all(one.si_sdr_db.mean > 5 for one in rates), "in time with the sound"
    assert [one.bits_per_second for one in rates] == sorted(one.bits_per_second for one in rates)
    assert beside([tone], 11_025)[1].startswith("Opus codes 8,000")
