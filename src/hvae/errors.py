"""Errors for people: one line that says what was expected, what came, and what to do."""

from __future__ import annotations

import re
import reprlib
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")


class HvaeError(ValueError):
    """A fault in what the user gave.  The command line prints its one line and exits with code 2.

    >>> raise HvaeError("expected 3 channels, got 1; set data.channels=3")
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: expected 3 channels, got 1; set data.channels=3
    """


class HvaeWarning(UserWarning):
    """Something that a user should know and may accept.  The command line prints its one line and goes on."""


class _Short(reprlib.Repr):
    """A representation of at most a line or so, in time that does not grow with the value."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 2, 64, 64

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to spell out integers of thousands of digits, and takes its time for those below.
        return super().repr_int(x, level) if x.bit_length() < 1000 else f"an integer of {x.bit_length():,} bits"

    def repr_instance(self, x: object, level: int) -> str:
        # Tensors, arrays and modules are written on several lines.
        return " ".join(super().repr_instance(x, level).split())


_SHORT = _Short()


def short(value: object) -> str:
    r"""The representation of a value from outside, cut to what a line can hold; escapes what no screen should get.

    >>> print(short([["\x1b"], "b" * 99, 10**5000]))
    [['\x1b'], 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbb...bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', an integer of 16,610 bits]
    >>> import torch
    >>> short(torch.zeros(3, 1))
    'tensor([[0.], [0.], [0.]])'
    """
    return _SHORT.repr(value)


_FEW, _BRIEF = 16, 4


def unknown(kind: str, name: object, choices: Iterable[str], listing: str = "") -> HvaeError:
    """The error for a name that does not exist: the nearest of a few choices and all of them, or three of many.

    `listing` is the command that lists many.

    >>> print(unknown("level", "z9", ["z3", "z2", "z1"]))
    no level named 'z9'; did you mean 'z3'? Known: z3, z2, z1
    >>> print(unknown("level", "z201", [f"z{i}" for i in range(1, 100)], "hvae inspect RUN"))
    no level named 'z201'; did you mean 'z21', 'z20' or 'z2'? 99 are known: hvae inspect RUN lists them
    """
    names, text = list(choices), str(name)
    many = len(names) > _FEW
    # The time of a comparison grows with the lengths of both, and no name of ours is long.
    near = [repr(one) for one in _near(text[:100], names, 3 if many else 1)]
    hint = f"did you mean {' or '.join(filter(None, [', '.join(near[:-1]), near[-1]]))}? " if near else ""
    if not many:
        return HvaeError(f"no {kind} named {short(text)}; {hint}Known: {', '.join(names) or 'none'}")
    where = f": {listing} lists them" if listing else "" if near else f", such as {', '.join(names[:3])}"
    return HvaeError(f"no {kind} named {short(text)}; {hint}{len(names)} are known{where}")


def _near(text: str, names: Sequence[str], most: int) -> list[str]:
    """The names that somebody may have meant; the dashes that all options share say nothing of which."""
    bare = {name.lstrip("-"): name for name in reversed(names)}
    word = text.lstrip("-")
    # Of a name of two letters one that is right is half.
    close = get_close_matches(word, bare, n=most, cutoff=0.5 if len(word) <= _BRIEF else 0.6)
    return [bare[one] for one in close]


def suggestion(name: str, choices: Iterable[str]) -> str:
    """The end of a line on a name that does not exist: the nearest that does, or nothing.

    >>> suggestion("enginer", ["nurse", "engineer"])
    "; did you mean 'engineer'?"
    """
    near = _near(name[:100], list(choices), 1)
    return f"; did you mean {short(near[0])}?" if near else ""


def by_reason(faults: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Names and what is wrong with each, as the names of every reason.

    >>> by_reason([("a.wav", "it is cut"), ("b.wav", "it is empty"), ("c.wav", "it is cut")])
    {'it is cut': 'a.wav, c.wav', 'it is empty': 'b.wav'}
    """
    names: dict[str, list[str]] = {}
    for name, why in faults:
        names.setdefault(why, []).append(name)
    return {why: ", ".join(some) for why, some in names.items()}


def entries(context: Mapping[str, T] | None) -> Mapping[str, T]:
    """A context, empty where there is none.  Raises HvaeError for values without names, such as a bare tensor."""
    if context is None:
        return {}
    if not isinstance(context, Mapping):
        got = type(context).__name__
        raise HvaeError(f"context: expected values by name, as in {{'label': 3}}, got {got}; name the condition")
    return context


def missing_extra(package: str, extra: str, *more: str, purpose: str = "") -> HvaeError:
    """The error for an optional dependency that is not installed, with the command that installs it here.

    `more` packages of the same extra are missing, too; `purpose` is what needs them.

    >>> print(missing_extra("datasets", "hub"))
    the package 'datasets' (extra 'hub') is not installed; install it with: ... -m pip install 'datasets>=3'
    >>> print(missing_extra("onnx", "onnx", "onnxscript", purpose=".onnx files"))
    .onnx files: the packages 'onnx' and 'onnxscript' (extra 'onnx') are not installed; install them with: ...
    """
    # The packages alone, into this very Python: hvae may be no index's, and the first pip of the shell another's.
    packages = [package, *more]
    command = shlex.join([sys.executable or "python", "-m", "pip", "install", *map(_requirement, packages)])
    names = " and ".join(filter(None, [", ".join(map(repr, packages[:-1])), repr(packages[-1])]))
    noun, verb, them = ("packages", "are", "them") if more else ("package", "is", "it")
    what = f"the {noun} {names} (extra '{extra}') {verb} not installed; install {them} with: {command}"
    return HvaeError(f"{purpose}: {what}" if purpose else what)


def _requirement(package: str) -> str:
    """A package with the versions that an extra asks for; without them where hvae runs uninstalled."""
    from importlib import metadata  # a third of the time that every command would begin with

    try:
        requirements = metadata.requires("hvae") or []
    except metadata.PackageNotFoundError:
        requirements = []
    return next((line.partition(";")[0] for line in requirements if re.match(rf"{package}\W", line)), package)
