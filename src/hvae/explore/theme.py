"""Colours of the charts: a light and a dark theme over the same hues, safe for colour-blind readers.

Levels are ordered, so their colours are a section of cividis, ordered under all colour blindness and in grey print.
The few unordered hues are from Okabe and Ito's palette (2008).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Ink, quiet ink and grid lines of a chart, its two unordered hues, and its section of cividis for levels."""

    ink: str
    quiet: str
    line: str
    first: str
    second: str
    stretch: tuple[float, float]

    def shades(self, count: int) -> list[tuple[float, float, float]]:
        """A colour for each of `count` levels, the first level furthest from the background.

        >>> len(LIGHT.shades(5)), len(LIGHT.shades(1))
        (5, 1)
        """
        low, high = self.stretch
        at = [low + (high - low) * i / max(count - 1, 1) for i in range(count)]
        colours = matplotlib.colormaps["cividis"]
        return [colours(a)[:3] for a in at]

    def style(self) -> dict[Any, Any]:
        """Matplotlib settings: quiet axes, and a transparent background."""
        quiet = dict.fromkeys(("xtick.color", "ytick.color", "axes.edgecolor"), self.quiet)
        ink = dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor"), self.ink)
        spines = {f"axes.spines.{side}": False for side in ("top", "right")}
        return STYLE | quiet | ink | spines | {"grid.color": self.line}


STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10.5,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlepad": 10.0,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.8,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "savefig.transparent": True,
    "savefig.dpi": 144,
}

LIGHT = Theme(ink="#1d2330", quiet="#5b6472", line="#e3e6ea", first="#0072b2", second="#d55e00", stretch=(0.0, 0.8))
DARK = Theme(ink="#e8ebf0", quiet="#a2abb8", line="#333a45", first="#56b4e9", second="#f0884a", stretch=(1.0, 0.4))
