"""Numbers for people: one measured value has the same digits on a card, in a bar, in a caption and in a table.

No exponents, commas between thousands, and never a minus before a zero.  What is no number is said to be none.
"""

from __future__ import annotations

import math
from typing import TypeGuard

NONE = "not finite"
_MOST = 8


def number(value: float | None) -> str:
    """A measured value without an error of its own, to three digits or more.

    >>> [number(v) for v in (17224.2, 1643.7, 999.96, 78.25, 1.5, 0.03125, 0.00012, 0.0, -0.0001, None)]
    ['17,224', '1,644', '1,000', '78.25', '1.500', '0.031', '0.00012', '0.000', '-0.00010', 'not finite']
    """
    if value is None or not math.isfinite(value):
        return NONE
    return _plain(value, _decimals(abs(value)))


def estimate(mean: float | None, error: float | None = None) -> str:
    """A mean, with its standard error where it has one, in the digits of means.

    >>> estimate(17224.2, 31.25), estimate(83.666, 0.634), estimate(0.15396), estimate(None)
    ('17,224.20 ± 31.25', '83.67 ± 0.63', '0.154', 'not finite')
    """
    if mean is None or not math.isfinite(mean):
        return NONE
    digits = _means(mean)
    return _plain(mean, digits) + (f" ± {_plain(error, digits)}" if _is_finite(error) else "")


def interval(mean: float | None, low: float | None, high: float | None) -> str:
    """A mean with its 95 % interval, where it has one.

    >>> interval(17224.2, 17190.125, 17258.0), interval(3.25, None, None), interval(3.25, math.nan, math.nan)
    ('17,224.20 [17,190.12, 17,258.00]', '3.250', '3.250')
    """
    if not (_is_finite(mean) and _is_finite(low) and _is_finite(high)):
        return estimate(mean)
    digits = _means(mean)
    return f"{estimate(mean)} [{_plain(low, digits)}, {_plain(high, digits)}]"


def _is_finite(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def short(value: float) -> str:
    """A round number, such as one beside an axis.

    >>> short(0.25), short(2500), short(19_980), short(250_000), short(1e6)
    ('0.25', '2,500', '19,980', '250 k', '1 M')
    """
    if abs(value) >= 1e6:
        return f"{value / 1e6:,g} M"
    return f"{value / 1e3:,g} k" if abs(value) >= 1e5 else f"{value:,g}"


def share(value: float, digits: int = 0) -> str:
    """A share in percent, of so many digits behind the point; one just above 0 or below 1 is not rounded to it.

    >>> [share(v) for v in (0.0, 0.0004, 0.127, 0.9996, 1.0)], share(0.127, 1)
    (['0 %', '0.04 %', '13 %', '99.96 %', '100 %'], '12.7 %')
    """
    digits += 0 if round(value, 2 + digits) not in (0.0, 1.0) or value in (0.0, 1.0) else 2
    return f"{100 * value:.{digits}f} %"


def percent(value: float) -> str:
    """A share that someone chose in percent, with as many digits as it has.

    >>> percent(0.995), percent(0.95), percent(0.29)
    ('99.5 %', '95 %', '29 %')
    """
    return f"{100 * value:.10g} %"


def counted(count: int, noun: str) -> str:
    """How many of what, in the singular for one.

    >>> counted(1, "draw"), counted(1200, "class"), counted(0, "file")
    ('1 draw', '1,200 classes', '0 files')
    """
    return f"{count:,} {noun}{'' if count == 1 else 'es' if noun.endswith('s') else 's'}"


def singular(nouns: str) -> str:
    """The word for one of some data.

    >>> singular("rows"), singular("images")
    ('row', 'image')
    """
    return nouns.removesuffix("s")


def left_out(count: int, beyond: int, noun: str, which: str = "the first ") -> tuple[str, ...]:
    """A line on data that are left out beside those that are taken; none where there are no more.

    >>> left_out(16, 9, "picture"), left_out(25, 0, "picture")
    (('the first 16 of 25 pictures; -n takes more',), ())
    """
    return (f"{which}{count:,} of {counted(count + beyond, noun)}; -n takes more",) if beyond else ()


def output_noun(nouns: str) -> str:
    """What one datum is called that a model has drawn or restored: of images, a picture.

    >>> output_noun("rows"), output_noun("images")
    ('row', 'picture')
    """
    return "picture" if nouns == "images" else singular(nouns)


def size(count: float) -> str:
    """Bytes in words of three digits or more.

    >>> size(950), size(48_210), size(6.4e9)
    ('950 bytes', '48.2 kB', '6.4 GB')
    """
    for unit, large in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= large:
            return f"{count / large:.1f} {unit}"
    return f"{count:.0f} bytes"


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss.

    >>> clock(65), clock(3600 * 5 + 61), clock(float("inf"))
    ('1:05', '5:01:01', '?')
    """
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _decimals(value: float) -> int:
    """By size: three digits or more of what is above a hundredth, two of what is below."""
    for least, digits in ((999.95, 0), (99.995, 1), (9.9995, 2), (0.01, 3)):
        if value >= least:
            return digits
    return 3 if value == 0 else min(_MOST, 1 - math.floor(math.log10(value)))


def _means(mean: float) -> int:
    return 2 if abs(mean) >= 10 else 3


def _plain(value: float, digits: int) -> str:
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if not float(text.replace(",", "")) else text
