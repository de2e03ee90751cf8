"""Converted graphs in a folder that is its user's alone: whole, checked by their digests, the oldest removed first.

They are of the user, never of a run folder, which travels: what they hold is run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hvae.caches import cache_folder, private
from hvae.errors import HvaeError
from hvae.files import making, read_regular, write_text
from hvae.records import Each, read_json

DIGESTS = "sha256.json"
MOST_BYTES = 1 << 32
"""Of all graphs together: those that were not used for longest go."""


def folder() -> Path:
    """Where graphs are kept.  Raises HvaeError where no folder can be the user's own."""
    return private(cache_folder() / "graphs")


def stored(key: str) -> Path | None:
    """The folder of a graph; None where there is none, or where its files are not those that were written."""
    place = folder() / key
    if not place.is_dir():
        return None
    try:
        is_whole = read_json(place / DIGESTS, Each(str)) == _digests(place)
    except HvaeError:
        return None
    with suppress(OSError):
        os.utime(place)
    return place if is_whole else None


def store(key: str, write: Callable[[Path], None]) -> Path:
    """The folder of a graph whose files `write` writes into a folder; it takes its place whole, or not at all."""
    place = folder() / key
    shutil.rmtree(place, ignore_errors=True)  # of a graph that is damaged
    try:
        with making(place) as temporary:
            write(temporary)
            write_text(temporary / DIGESTS, json.dumps(_digests(temporary)))
    except HvaeError:
        # Another process may have been quicker.
        if theirs := stored(key):
            return theirs
        raise
    _limit(place)
    return place


def _digests(place: Path) -> dict[str, str]:
    """The sha256 of every file but that of the digests, by name."""
    files = (path for path in place.iterdir() if path.name != DIGESTS)
    return {path.name: hashlib.sha256(read_regular(path)).hexdigest() for path in files}


def _limit(newest: Path) -> None:
    """Remove the graphs that were not used for longest, until the others fit."""
    ages = {place: place.stat().st_mtime for place in folder().iterdir() if place != newest and place.is_dir()}
    total = _size(newest)
    for place in sorted(ages, key=ages.__getitem__, reverse=True):
        total += _size(place)
        if total > MOST_BYTES:
            shutil.rmtree(place, ignore_errors=True)


def _size(place: Path) -> int:
    return sum(path.stat().st_size for path in place.iterdir())
