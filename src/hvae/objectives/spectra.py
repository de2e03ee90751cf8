r"""A distance of spectra beside the likelihood of sound: what is minimised is then no bound.

Shapes: `B` signals; `T` steps; `S` values of a step; `N` = T S samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hvae.objectives.loss import per_datum
from hvae.walk import Trace

WINDOWS = (64, 128, 256, 512, 1024)
FLOOR = 1e-3
"""Amplitude below which nothing is compared, of sound in [-1, 1]: -60 dB of full scale."""


class Spectra:
    r"""How far the mean of p(x given z) is from the sound in its short-time spectra, nats per datum.

    $$\lambda\, \frac1{|W|} \sum_{w \in W} \frac w4 \sum_t \frac1{|F_w|} \sum_f
      \Big| \tfrac12 \log(|X_{tf}|^2 + \epsilon^2) - \tfrac12 \log(|Y_{tf}|^2 + \epsilon^2) \Big|$$

    with X, Y the spectra of sound in [-1, 1] in Hann windows of w samples, a quarter of one apart and of energy 1: a
    mean over frequencies and windows, summed over samples.  Of the two terms of Gritsenko et al. 2020, arXiv
    2008.01160, eq. (8), which SoundStream minimises (arXiv 2107.03312, sec. III-E), the logarithmic one, by absolute
    values; the squared error of the likelihood stands in for the other.  Behind the end of a sequence both are silent.

    Argument: `weight` lambda, in nats a sample.
    """

    def __init__(self, weight: float, windows: Sequence[int] = WINDOWS) -> None:
        self.weight, self.windows = weight, tuple(windows)

    def __call__(self, trace: Trace) -> Tensor:
        """The weighted distance, a mean over the batch."""
        record = trace.observed[-1]
        sound, mean = 2 * record.value - 1, 2 * record.law.mean() - 1  # (B, T, S)
        if record.observed is not None:
            sound, mean = (torch.where(record.observed, t, 0.0) for t in (sound, mean))
        return self.weight * per_datum(distance(sound.flatten(1), mean.flatten(1), self.windows))


def distance(a: Tensor, b: Tensor, windows: Sequence[int] = WINDOWS) -> Tensor:
    """The distance of two batches of sound (B, N) in [-1, 1], (B,), as `Spectra` defines it, unweighted.

    >>> x = torch.randn(2, 900)
    >>> distance(x, x)
    tensor([0., 0.])
    """
    each = [w / 4 * (_log_spectrum(a, w) - _log_spectrum(b, w)).abs().mean(1).sum(1) for w in windows]
    return torch.stack(each).mean(0)


def _log_spectrum(sound: Tensor, window: int) -> Tensor:
    """(B, N) -> (B, F, frames)."""
    hann = torch.hann_window(window, device=sound.device, dtype=sound.dtype)
    hann = hann / hann.square().sum().sqrt()
    # Silence on both sides: a reflection needs more samples than short sounds have.
    parts = torch.stft(sound, window, window // 4, window=hann, pad_mode="constant", return_complex=True)
    return 0.5 * (parts.real.square() + parts.imag.square() + FLOOR**2).log()
