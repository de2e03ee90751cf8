"""Bodies that move, as stick figures.

Shapes: `T` steps; `J` joints.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from hvae.explore.charts import as_png
from hvae.explore.theme import Theme

Array = np.ndarray
FIGURES = 10
UP = 1
"""The axis that points up, as in most recordings: y."""


def stick_picture(joints: Array, parents: Sequence[int], theme: Theme) -> bytes:
    r"""Figures at even distances in time as a PNG: joints (T, J, 3), each joined to its parent (-1: none).

    All are seen from one side, that from which the body is widest; each stands at its own place, and heights are kept.

    >>> from hvae.explore.theme import LIGHT
    >>> stick_picture(np.eye(3)[None], (-1, 0, 1), LIGHT)[:4]
    b'\x89PNG'
    """
    steps = np.linspace(0, len(joints) - 1, min(FIGURES, len(joints))).round().astype(int)
    flat = _seen(joints)[steps]  # (figures, J, 2)
    width = 1.15 * max(np.ptp(flat[..., 0], axis=1).max(), 0.4 * np.ptp(flat[..., 1]), 1e-9)
    middle = (flat[..., 0].min(1) + flat[..., 0].max(1)) / 2
    flat[..., 0] += width * np.arange(len(steps))[:, None] - middle[:, None]
    bones = [(flat[:, parent], flat[:, joint]) for joint, parent in enumerate(parents) if parent >= 0]
    lines = np.concatenate([np.stack(ends, 1) for ends in bones]) if bones else np.zeros((0, 2, 2))
    low, high = flat[..., 1].min(), flat[..., 1].max()
    with matplotlib.rc_context(theme.style()):
        size = (6.4, 6.4 * (1.15 * (high - low) + 0.25 * width) / (width * len(steps)) + 0.3)
        figure = Figure(figsize=(size[0], min(6.4, max(1.0, size[1]))), layout="constrained")
        axes = figure.subplots()
        axes.add_collection(LineCollection(list(lines), colors=theme.first, linewidths=1.4, capstyle="round"))
        axes.set(xlim=(-width / 2, width * (len(steps) - 0.5)), aspect="equal", xlabel="step", yticks=[])
        axes.set_ylim(low - 0.05 * width, high + 0.05 * width)
        axes.set_xticks(width * np.arange(len(steps)), [f"{step:,}" for step in steps])
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        return as_png(figure)


def _seen(joints: Array) -> Array:
    """Across and up, (T, J, 2), of joints (T, J, 3): from the side on which bodies are widest, about their middle."""
    ground = np.delete(joints, UP, axis=2)
    ground = ground - ground.mean(1, keepdims=True)
    across = np.linalg.svd(ground.reshape(-1, 2), full_matrices=False)[2][0]
    across = across * np.sign(across[np.abs(across).argmax()] or 1.0)
    return np.stack([ground @ across, joints[..., UP]], 2)
