"""Errors for people: one line that says what was expected, what came, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class HvaeError(ValueError):
    """A fault in what the user gave.  The command line prints its one line and exits with code 2.

    >>> raise HvaeError("expected 3 channels, got 1; set data.channels=3")
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: expected 3 channels, got 1; set data.channels=3
    """


def unknown(kind: str, name: object, choices: Iterable[str]) -> HvaeError:
    """The error for a name that does not exist: it names the nearest valid choice, and all of them.

    >>> print(unknown("level", "z9", ["z3", "z2", "z1"]))
    no level named 'z9'; did you mean 'z3'? Known: z3, z2, z1
    """
    known = list(choices)
    near = get_close_matches(str(name), known, n=1, cutoff=0.4)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return HvaeError(f"no {kind} named '{name}'; {hint}Known: {', '.join(known) or 'none'}")


def missing_extra(package: str, extra: str) -> HvaeError:
    """The error for an optional dependency that is not installed.

    >>> print(missing_extra("datasets", "hub"))
    the package 'datasets' is not installed; install it with: pip install 'hvae[hub]'
    """
    return HvaeError(f"the package '{package}' is not installed; install it with: pip install 'hvae[{extra}]'")
