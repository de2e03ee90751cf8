"""What stands beside rows and columns of pictures: levels, counts and steps in a few words."""

from __future__ import annotations

from collections.abc import Sequence

MINUS = "−"


def spread(last: int, most: int) -> list[int]:
    """The whole numbers from 0 to `last`, or `most` of them at even distances, both ends among them.

    >>> spread(3, 9), spread(20, 5)
    ([0, 1, 2, 3], [0, 5, 10, 15, 20])
    """
    if last < most:
        return list(range(last + 1))
    return [round(i * last / (most - 1)) for i in range(most)]


def row_labels(names: Sequence[str], counts: Sequence[int]) -> list[str]:
    """A word for each row of reconstructions from so many top levels.

    >>> row_labels(["z3", "z2", "z1"], [0, 1, 3])
    ['no level', '+ z3', 'top 3']
    """
    labels = []
    for before, k in zip([-1, *counts], counts, strict=False):
        step = f"+ {names[k - 1]}" if k - before == 1 and k else f"top {k}"
        labels.append("no level" if k == 0 else step)
    return labels


def span(names: Sequence[str]) -> str:
    """Neighbouring levels in a few words.

    >>> span(["z3", "z2", "z1"]), span(["z3", "z2"])
    ('z3 to z1', 'z3 and z2')
    """
    return " and ".join(names) if len(names) <= 2 else f"{names[0]} to {names[-1]}"


def signed(step: float) -> str:
    """A number of standard deviations with its sign; none of 0."""
    return f"{step:+.3g}".replace("-", MINUS) if step else "0"
