"""Single values from texts and numbers: booleans, whole numbers, floats and texts, each with every digit it has."""

from __future__ import annotations

import operator
from contextlib import suppress
from decimal import Decimal
from types import NoneType
from typing import Any

_DIGITS = 100
"""Digits of a whole number: more than any key takes."""
_BOOLS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _none(value: Any) -> None:
    if value is not None and not (isinstance(value, str) and value.lower() in ("none", "null")):
        raise ValueError


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value.lower() not in _BOOLS:
        raise ValueError
    return _BOOLS[value.lower()]


def _int(value: Any) -> int:
    if isinstance(value, str):
        return _whole(Decimal(value.strip()))
    if isinstance(value, bool):
        raise ValueError
    # By way of a float, integers beyond 2^53 would lose digits.
    with suppress(TypeError):
        return _whole(Decimal(operator.index(value)))
    return _whole(Decimal(_float(value)))


def _whole(number: Decimal) -> int:
    # The exponent first: the digits of 1e999999999 take a gigabyte.
    if not number.is_finite() or number.adjusted() > _DIGITS or number != int(number):
        raise ValueError
    return int(number)


def _float(value: Any) -> float:
    # float(True) is 1.0: a yes where a number belongs is a slip, never a one.
    if isinstance(value, bool):
        raise ValueError
    return float(value)


def _str(value: Any) -> str:
    if not isinstance(value, (str, int, float)):
        raise TypeError
    text = str(value)
    # No path, name or command can hold it.
    if "\0" in text:
        raise ValueError
    return text


SCALARS = {NoneType: _none, bool: _bool, int: _int, float: _float, str: _str}
"""The reader of each type; it raises ValueError, TypeError or ArithmeticError for anything else."""
