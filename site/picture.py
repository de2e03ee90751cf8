"""The walk of a family as a picture: what is visited in which order, read from a small model of the family.

Two columns, inference (q) on the left and generation (p) on the right, each in the order of the visits, from above.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hvae.walk import Model

BOX, GAP, WIDE = 34, 18, 170
SIZE = {"conv": (1, 6, 5), "time": (4, 5)}


def walk_picture(family: str) -> str:
    """An SVG of the walk on data; empty where a model of default settings is no small one."""
    visits = visited(family)
    if not visits:
        return ""
    q = [name for name, side in visits if side == "q"]
    p = [name for name, side in visits if side == "p"]
    rows = max(len(q), len(p)) + 1
    height, x = rows * (BOX + GAP) + 40, 2 * WIDE + 120
    parts = [
        f'<svg viewBox="0 0 {x} {height}" width="{x}" height="{height}" role="img" aria-label="walk of {family}" '
        'style="max-width:100%;height:auto;font-family:inherit">'
    ]
    parts += [*_column("inference, q", q, 20), *_column("generation, p", p, WIDE + 80)]
    return "".join([*parts, "</svg>"])


def visited(family: str) -> list[tuple[str, str]]:
    """(name and shape, side) of each visit of a walk on data, at most eight a side."""
    import torch

    from hvae import posterior, run
    from hvae.site import spelled

    model = _small(family)
    if model is None:
        return []
    with torch.no_grad():
        trace = run(model.eval(), posterior, model.evidence(torch.zeros(1, *model.shape)))
    seen: list[tuple[str, str]] = []
    for key, side in trace.visits:
        record = trace.records[key]
        if not record.auxiliary:
            seen.append((f"{spelled(key)}: {' x '.join(map(str, record.value.shape[1:]))}", side))
    return [item for side in "qp" for item in _short([v for v in seen if v[1] == side])]


def _short(items: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return items if len(items) <= 8 else [*items[:4], ("...", items[0][1]), *items[-3:]]


def _small(family: str) -> Model | None:
    """The family at the toy size that the tests have of it; None of one they do not have."""
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from families import FAMILIES, TIMED

    from hvae.zoo import build

    toys = {config.family: config for config in reversed([*FAMILIES.values(), *TIMED.values()])}
    if family not in toys:
        return None
    shape = SIZE["time"] if family in {c.family for c in TIMED.values()} else SIZE["conv"]
    return build(toys[family], shape=shape, bits=1)


def _column(title: str, names: Sequence[str], x: int) -> list[str]:
    parts = [f'<text x="{x}" y="20" fill="currentColor" font-size="13">{escape(title)}</text>']
    for i, name in enumerate(names):
        y = 34 + i * (BOX + GAP)
        parts.append(
            f'<rect x="{x}" y="{y}" width="{WIDE}" height="{BOX}" rx="6" fill="none" stroke="currentColor"/>'
            f'<text x="{x + WIDE / 2}" y="{y + 22}" text-anchor="middle" fill="currentColor" font-size="13">'
            f"{escape(name)}</text>"
        )
        if i + 1 < len(names):
            middle, below = x + WIDE / 2, y + BOX
            parts.append(
                f'<path d="M{middle} {below} v{GAP - 4} m-4 -5 l4 5 l4 -5" fill="none" stroke="currentColor"/>'
            )
    return parts
