"""Counts that callers give: whole numbers, of Python or NumPy, and nothing that only looks like one."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral

from hvae.errors import HvaeError, short


def whole(name: str, number: object, least: int | None = 0) -> int:
    """The number that a caller gave under a name, as one of Python, which NumPy's overflow where those do not.

    Raises HvaeError for anything but a whole number, such as 1.5, True or "3", and for one below `least` (None: any).

    >>> whole("draws", 3)
    3
    >>> whole("--draws", 1.5)
    Traceback (most recent call last):
    hvae.errors.HvaeError: --draws: expected a whole number, got 1.5
    """
    if not isinstance(number, Integral) or isinstance(number, bool):
        raise HvaeError(f"{name}: expected a whole number, got {short(number)}")
    if least is not None and number < least:
        raise HvaeError(f"{name}: expected at least {least}, got {number}")
    return int(number)


def wholes(name: str, numbers: object, least: int | None = 0) -> tuple[int, ...]:
    """Several such numbers.  Raises HvaeError for what is no list of them, and for one of them as `whole` does.

    >>> wholes("counts", range(3))
    (0, 1, 2)
    >>> wholes("counts", 2)
    Traceback (most recent call last):
    hvae.errors.HvaeError: counts: expected a list of whole numbers, as in [1, 2], got 2
    """
    if isinstance(numbers, str) or not isinstance(numbers, Iterable):
        raise HvaeError(f"{name}: expected a list of whole numbers, as in [1, 2], got {short(numbers)}")
    return tuple(whole(name, number, least) for number in numbers)
