r"""How near a reconstruction of sound is, by the number of codebooks that are read: bitrates of one model.

    SI-SDR = 10 log10 |a s|^2 / |a s - y|^2,  a = <s, y> / |s|^2, means taken off
    LSD = mean over frames of sqrt( mean over frequencies of (20 log10 |S| - 20 log10 |Y|)^2 )

both in dB; the first as in Le Roux et al. 2019, arXiv 1811.02508.  Spectra are of Hann windows of 32 ms, a quarter of
one apart; amplitudes below -60 dB of full scale count as that.

Shapes: `N` samples of one sound in [-1, 1]; `F` frequencies; `B` sounds of one batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.datum import Datum
from hvae.draw import each, posterior, prior
from hvae.errors import HvaeError
from hvae.metrics.evaluating import Meter, Progress, seen, silent
from hvae.metrics.results import Estimate, Plain, estimate
from hvae.walk import Evidence, Model, names, run, still

WINDOW = 0.032
"""Seconds."""
FLOOR = 1e-3
MOST_DB = 100.0
"""Of two equal sounds."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Sound by so many codebooks, or by another codec."""

    name: str
    bits_per_second: float
    """All bits over all seconds."""
    si_sdr_db: Estimate
    spectral_db: Estimate
    """Log-spectral distance."""


@dataclass(frozen=True, kw_only=True)
class BitratesResult(Plain):
    """One model at each number of codebooks, the top alone first."""

    data: int
    seconds: float
    """Of all sounds."""
    seed: int
    rates: tuple[Rate, ...]
    beside: tuple[Rate, ...] = ()
    """Other codecs on the same sounds."""
    missing: str = ""
    """Why there are none."""


def bitrates(
    model: Model,
    batches: Iterable[Datum],
    rate: int,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Rate, ...]:
    """Bits a second, SI-SDR and log-spectral distance by the number of codebooks that are read, the top alone first.

    The levels below are at the mode of their prior, as in a file that was cut.  Arguments: `batches` of sound (B, T, S)
    in [0, 1]; `rate`, samples a second.  Raises HvaeError for a model of something else.
    """
    if not model.timed or len(model.shape) != 2:
        raise HvaeError(f"expected a model of sound (T, S), got one of shape {model.shape}")
    levels, meter = names(model), Meter(progress, batches, len(names(model)))
    sums = [_Sums(rate) for _ in levels]
    with still(model, seed):
        for evidence in seen(model, batches):
            for top, total in enumerate(sums, 1):
                draw = each({name: prior(0.0) for name in levels[top:]}, posterior)
                trace = run(model, draw, evidence)
                nats = torch.stack([trace.rates()[name] for name in levels[:top]]).sum(0)
                total.add(evidence, model.picture(trace), nats)
                meter.add(1)
    return tuple(total.result(f"top {top} of {len(levels)}") for top, total in enumerate(sums, 1))


class _Sums:
    """What is known of each sound so far."""

    def __init__(self, rate: int) -> None:
        self.rate, self.bits, self.samples = rate, 0.0, 0
        self.pairs: list[tuple[float, float]] = []

    def add(self, evidence: Evidence, picture: Tensor, nats: Tensor) -> None:
        self.bits += float(nats.sum()) / math.log(2)
        for sound, other in zip(_sounds(evidence.data, evidence), _sounds(picture, evidence), strict=True):
            self.samples += len(sound)
            self.pairs.append(compared(sound, other, self.rate))

    def result(self, name: str) -> Rate:
        return summary(name, self.bits * self.rate / self.samples, self.pairs)


def _sounds(x: Tensor, evidence: Evidence) -> Iterator[Tensor]:
    """Each sound (N,) in [-1, 1] of a batch (B, T, S), without what is behind it."""
    pairs = zip(x, evidence.datum.counts.tolist(), strict=True)
    return (2 * one[:length].flatten().double().cpu().clamp(0, 1) - 1 for one, length in pairs)


def compared(sound: Tensor, other: Tensor, rate: int) -> tuple[float, float]:
    """SI-SDR and log-spectral distance of a reconstruction, (N,) both, in dB."""
    return si_sdr(sound, other), spectral_distance(sound, other, rate)


def summary(name: str, bits_per_second: float, pairs: Sequence[tuple[float, float]]) -> Rate:
    """Means over sounds, with intervals, of what `compared` gives."""
    ratios, distances = (torch.tensor(side, dtype=torch.float64) for side in zip(*pairs, strict=True))
    return Rate(name=name, bits_per_second=bits_per_second, si_sdr_db=estimate(ratios), spectral_db=estimate(distances))


def si_sdr(sound: Tensor, other: Tensor) -> float:
    """Scale-invariant ratio of signal and distortion, dB, from -100 (nothing alike) to 100 (equal but for loudness).

    >>> s = torch.tensor([1.0, -1.0, 1.0, -1.0])
    >>> round(si_sdr(s, 0.5 * s + 0.05 * torch.tensor([1.0, 1.0, -1.0, -1.0])), 4)
    20.0
    """
    s, y = sound - sound.mean(), other - other.mean()
    part = s * (s @ y) / (s @ s).clamp(min=1e-12)
    ratio = part.square().sum().clamp(min=1e-12) / (part - y).square().sum().clamp(min=1e-12)
    return float((10 * ratio.log10()).clamp(-MOST_DB, MOST_DB))


def spectral_distance(sound: Tensor, other: Tensor, rate: int) -> float:
    """Log-spectral distance in dB.

    >>> x = torch.randn(800, dtype=torch.float64)
    >>> round(spectral_distance(x, 2 * x, 8000), 2)
    6.02
    """
    difference = _decibels(sound, rate) - _decibels(other, rate)  # (F, frames)
    return float(difference.square().mean(0).sqrt().mean())


def _decibels(sound: Tensor, rate: int) -> Tensor:
    window = max(4, round(WINDOW * rate))
    hann = torch.hann_window(window, dtype=sound.dtype)
    hann = hann / hann.square().sum().sqrt()
    parts = torch.stft(sound, window, window // 4, window=hann, pad_mode="constant", return_complex=True)
    return 20 * parts.abs().clamp(min=FLOOR).log10()
