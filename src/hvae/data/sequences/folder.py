"""Files of one kind, one or a folder of them, read each by itself: what becomes of those that cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from hvae.data.sequences.raw import check_length
from hvae.data.tally import NAMED, SHOWN, UNREADABLE, Tally
from hvae.errors import HvaeError, by_reason

SKIP = "skip"
T = TypeVar("T")
Fault = tuple[str, str]
"""The name of a file, and why nothing of it is used."""


@dataclass(frozen=True, eq=False)
class Readable(Generic[T]):
    """What some files hold, their names below their folder, and what of them was left out."""

    content: Sequence[T]
    names: Sequence[str]
    tally: Tally


def read_each(
    path: Path,
    suffixes: Sequence[str],
    read: Callable[[Path], T],
    bad: str,
    steps: Callable[[T], int],
    shared: Callable[[T], object] = lambda one: None,
) -> Readable[T]:
    """A file, or all below a folder that end in one of `suffixes`, by name, in the order of their names.

    `steps`, how many there are in what was read; `shared`, what all must have in common, such as a sample rate.  Raises
    HvaeError where there are none, and for those that cannot be read or are too short; with `bad` "skip" these are left
    out and counted, and so are those that have something else in common than most, unless nothing is left.
    """
    files = [f for f in sorted(path.rglob("*")) if f.suffix.lower() in suffixes] if path.is_dir() else [path]
    if not files:
        raise HvaeError(f"{path}: expected files that end in {', '.join(suffixes)}, got none")
    return read_places(path, files, read, bad, steps, shared)


def read_places(
    path: Path,
    places: Sequence[Path],
    read: Callable[[Path], T],
    bad: str,
    steps: Callable[[T], int],
    shared: Callable[[T], object],
) -> Readable[T]:
    """Some places at or below a path, each of which holds one sequence, as `read_each` reads files."""
    contents, faults = _read(path, places, read, steps)
    if bad == SKIP:
        contents, odd = _alike(contents, shared)
        faults += odd
    if faults and (bad != SKIP or not contents):
        reasons = "; ".join(f"{names}: {why}" for why, names in by_reason(faults[:SHOWN]).items())
        more = "; and others" * (len(faults) > SHOWN)
        ways = "repair or remove them, or set data.bad=skip" if len(faults) < len(places) else "repair or replace them"
        raise HvaeError(f"{path}: {reasons}{more}; {ways}")
    unused = {UNREADABLE: len(faults)} if faults else {}
    tally = Tally(files=len(places), used=len(contents), unused=unused, bad=faults[:NAMED], noun="sequence")
    return Readable([one for _, one in contents], [name for name, _ in contents], tally)


def _read(
    path: Path, files: Sequence[Path], read: Callable[[Path], T], steps: Callable[[T], int]
) -> tuple[list[tuple[str, T]], list[Fault]]:
    contents: list[tuple[str, T]] = []
    faults: list[Fault] = []
    for file in files:
        name = file.relative_to(path).as_posix() if file != path else file.name
        try:
            content = read(file)
            check_length(steps(content))
            contents.append((name, content))
        except HvaeError as fault:
            faults.append((name, _reason(str(fault), file)))
    return contents, faults


def _reason(line: str, file: Path) -> str:
    """Why a file cannot be read, without its name, which stands before it."""
    for name in (str(file), file.name):
        line = line.removeprefix(f"{name}: ")
    return line


def _alike(contents: list[tuple[str, T]], shared: Callable[[T], object]) -> tuple[list[tuple[str, T]], list[Fault]]:
    """Those that have in common what most have, and the others as faults."""
    kinds = Counter(shared(one) for _, one in contents)
    usual = kinds.most_common(1)[0][0] if kinds else None
    odd = [(name, f"it has {shared(one)}, and most have {usual}") for name, one in contents if shared(one) != usual]
    return [(name, one) for name, one in contents if shared(one) == usual], odd
