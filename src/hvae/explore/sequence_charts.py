"""Sequences as pictures: piano rolls, sound, motion, and what each level spends over time.

Shapes: `T` steps; `K` keys, the lowest first; `N` samples; `V` numbers a step; `C H W` a frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from hvae.explore.charts import as_png
from hvae.explore.theme import Theme
from hvae.explore.tiles import PLATE

Array = np.ndarray
CELL = 4
"""Pixels a side of one key at one step."""
INK = (47, 111, 180)
MARGIN = 2
"""Keys above and below those that sound."""
MOST_CURVES = 12
FFT = 256


def roll_picture(roll: Array) -> bytes:
    """A piano roll (T, K), values from 0 to 1, as a PNG: time to the right, high keys above, silent ones left out."""
    import io

    values = np.clip(np.asarray(roll, float), 0, 1)
    sounding = np.nonzero(values.max(0) > 0.02)[0]
    low, high = (sounding.min(), sounding.max()) if len(sounding) else (0, values.shape[1] - 1)
    low, high = max(0, low - MARGIN), min(values.shape[1] - 1, high + MARGIN)
    cells = values[:, low : high + 1].T[::-1]  # (keys, T)
    ink, plate = np.array((*INK, 255.0)), np.array(PLATE, float)
    pixels = cells[..., None] * ink + (1 - cells[..., None]) * plate
    pixels = np.kron(pixels.round().astype(np.uint8), np.ones((CELL, CELL, 1), np.uint8))
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", optimize=True)
    return out.getvalue()


def sound_picture(sound: Array, rate: int, theme: Theme) -> bytes:
    """A waveform (N,) above its spectrogram as a PNG."""
    with matplotlib.rc_context(theme.style()):
        figure = Figure(figsize=(6.4, 3.2), layout="constrained")
        above, below = figure.subplots(2, sharex=True)
        above.plot(np.arange(len(sound)) / rate, sound, color=theme.first, linewidth=0.6)
        above.set(ylim=(-1, 1), yticks=[-1, 0, 1])
        size = min(FFT, max(16, len(sound) // 4))
        # A silent stretch has no logarithm.
        below.specgram(np.asarray(sound) + 1e-6, NFFT=size, Fs=rate, noverlap=size // 2, cmap="cividis")
        below.set(xlabel="seconds", ylabel="Hz")
        below.grid(visible=False)
        return as_png(figure)


def motion_picture(values: Array, theme: Theme) -> bytes:
    """The numbers (T, V) that vary most, over time, as a PNG."""
    most = np.argsort(values.var(0))[::-1][:MOST_CURVES]
    with matplotlib.rc_context(theme.style()):
        figure = Figure(figsize=(6.4, 2.4), layout="constrained")
        axes = figure.subplots()
        for column, shade in zip(sorted(most), theme.shades(len(most)), strict=True):
            axes.plot(values[:, column], color=shade, linewidth=1.2)
        axes.set(xlabel="step")
        return as_png(figure)


def time_curves(rates: Mapping[str, Sequence[float]], step: str, theme: Theme) -> bytes:
    """What each level spends at each step, in nats, as a PNG."""
    with matplotlib.rc_context(theme.style()):
        figure = Figure(figsize=(6.4, 3.0), layout="constrained")
        axes = figure.subplots()
        for (name, values), shade in zip(rates.items(), theme.shades(len(rates)), strict=True):
            places, nats = zip(*((t, v) for t, v in enumerate(values) if np.isfinite(v)), strict=True)
            axes.plot(places, nats, color=shade, label=name)
        alone = f" of {next(iter(rates))}" if len(rates) == 1 else ""
        axes.set(xlabel=step, ylabel=f"nats{alone}", ylim=(0, None))
        # Beside the curves: inside it would lie on one of them.
        if not alone:
            figure.legend(loc="outside right upper")
        return as_png(figure)
