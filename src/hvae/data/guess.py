"""What a column of a table holds, by its cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from hvae.config.columns import MOST_NAMES, MOST_WHOLES
from hvae.data.columns import COMMA, Column, Name, Real, Whole, advice, is_number
from hvae.errors import HvaeError, short
from hvae.records import LARGEST

FEW = 20
"""Rows, and names, up to which each row may have one of its own."""
MOST_LETTERS = 200
_STEPS = 2**16
"""Of the arithmetic of floats, between the ends of a column at the least: as many as its levels."""
_WHOLE = re.compile(r"[+-]?\d{1,15}")


def column_of(cells: Sequence[str], where: str, top: int, *, is_name: bool) -> Column:
    """What a column holds, by its cells, "" where one is not known.

    Raises HvaeError for one without any, for numbers beside words, and for names that nothing can be learnt of.
    """
    some = [cell for cell in cells if cell]
    if not some:
        raise HvaeError(f"{where}: expected a cell that is known, got none; leave it out with --data.without")
    odd = [cell for cell in some if not is_number(cell)]
    has_commas = len(odd) == len(some) and all(map(COMMA.fullmatch, odd))
    if is_name or (len(odd) == len(some) and not has_commas):
        return _names(some, where, top)
    if odd:
        as_others = f", as {len(some) - len(odd):,} of {len(some):,} known cells are" * (not has_commas)
        raise HvaeError(f"{where}: expected numbers{as_others}, got {short(odd[0])}{advice(odd[0])}")
    numbers = [float(cell) for cell in some]
    low, high = _range(some, numbers, where)
    if low == high:
        return _names(some[:1], where, top)
    count = int(high - low) + 1 if high - low < MOST_WHOLES else MOST_WHOLES + 1
    is_whole = count <= min(MOST_WHOLES, top // 4) and all(_WHOLE.fullmatch(cell) for cell in some)
    if is_whole and len(cells) > FEW and count == len(cells) == len(set(numbers)):
        raise HvaeError(
            f"{where}: counts the rows, each of its own number, and says nothing of them; leave it out with "
            "--data.without"
        )
    return Whole(int(low), int(high)) if is_whole else Real(low, high)


def _range(cells: Sequence[str], numbers: Sequence[float], where: str) -> tuple[float, float]:
    """The smallest and the largest of the numbers of cells.  Raises HvaeError where floats cannot tell them apart."""
    low, high = min(numbers), max(numbers)
    largest = max(abs(low), abs(high))
    if largest > LARGEST:
        raise HvaeError(f"{where}: expected numbers of up to {LARGEST:g}, got {largest:g}; choose a larger unit")
    are_same = low == high and len({Decimal(cell) for cell in cells}) == 1
    if not are_same and high - low < _STEPS * np.spacing(largest):
        raise HvaeError(
            f"{where}: expected numbers that differ in their first 10 digits, got {short(cells[0])} and others as near "
            "to it; take away what they share, or say that they are names (--data.categories)"
        )
    return low, high


def _names(cells: Sequence[str], where: str, top: int) -> Name:
    names = sorted(set(cells))
    lesson = "nothing is learnt of names of their own; leave it out with --data.without"
    if len(names) > min(MOST_NAMES, top // 2) or (len(names) > FEW and 2 * len(names) > len(cells)):
        raise HvaeError(f"{where}: got {len(names):,} names in {len(cells):,} cells, as an identifier has; {lesson}")
    if long := next((name for name in names if len(name) > MOST_LETTERS), ""):
        raise HvaeError(f"{where}: expected names of up to {MOST_LETTERS} letters, got {short(long)}; {lesson}")
    return Name(tuple(names))
