"""Which files below a folder are pictures: the same at every door.

No torch here: training, scoring and the codec ask the same question.
"""

from __future__ import annotations

import os
import stat
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm")
LINKED, LINKED_FOLDERS = "linked twice", "folders linked twice"
GONE = "gone while their folder was read"
OTHER = "of another kind"
MOST_FOLDERS_DEEP = 100


class Listed(NamedTuple):
    """One picture file, and what tells its content from another one: size, time of change, number on its disk."""

    path: Path
    stamp: tuple[int, int, int]


class Listing(NamedTuple):
    """The picture files below a folder, sorted, each real file once; how many files there are in all, and how many of
    them are none, by reason."""

    files: tuple[Listed, ...]
    seen: int
    passed_over: Mapping[str, int]


def listed(folder: Path) -> Listing:
    """Every picture file below a folder, or the one that a place is, in the order in which the images of a split come.

    Links are followed, and a file or folder that was reached before is not entered again; of two names of one, that
    which is no link counts, for it says the class.

    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp())
    >>> (place / "self").symlink_to(place)
    >>> for name in ("b.png", "a.jpg", "notes.txt"):
    ...     (place / name).touch()
    >>> listing = listed(place)
    >>> [file.path.name for file in listing.files], listing.seen, dict(listing.passed_over)
    (['a.jpg', 'b.png'], 3, {'folders linked twice': 1, 'of another kind': 1})
    """
    if not folder.is_dir():
        return Listing((_listed(folder, os.stat(folder)),), 1, {})
    walk = _Walk()
    walk.down(folder)
    # By parts, not by text: "a/2.png" comes before "a b/1.png" on every system.
    files = sorted(walk.files, key=lambda file: file.path.parts)
    return Listing(tuple(files), walk.seen, dict(sorted(walk.passed_over.items())))


def _listed(file: Path, state: os.stat_result) -> Listed:
    return Listed(file, (state.st_size, state.st_mtime_ns, state.st_ino))


class _Walk:
    """Goes through folders and keeps what it has entered.  With a stack of its own: trees may be deeper than calls."""

    def __init__(self) -> None:
        self.files: list[Listed] = []
        self.seen = 0
        self.passed_over: Counter[str] = Counter()
        self.entered: set[tuple[int, int]] = set()

    def down(self, root: Path) -> None:
        self._is_new(os.stat(root))
        waiting, links = [(root, 0)], deque[tuple[os.DirEntry[str], int]]()
        while waiting or links:
            if waiting:
                folder, depth = waiting.pop()
                # Sorted, so that of two names of one file the first is taken on every machine.
                inside = sorted(self._each(folder), key=lambda entry: entry.name)
                links += [(entry, depth) for entry in inside if entry.is_symlink()]
                entries = [entry for entry in inside if not entry.is_symlink()]
            else:
                link, depth = links.popleft()
                entries = [link]
            below = [Path(entry.path) for entry in entries if self._is_folder(entry)]
            if depth < MOST_FOLDERS_DEEP:
                waiting += [(place, depth + 1) for place in reversed(below)]
            else:
                self.passed_over[f"folders more than {MOST_FOLDERS_DEEP} deep"] += len(below)

    def _each(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return list(entries)
        except OSError:
            self.passed_over["folders that cannot be read"] += 1
            return []

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        """Whether to go on below; a file is noted here."""
        hidden = entry.name.startswith(".")
        try:
            state = entry.stat()
        except OSError:
            if not entry.is_symlink():  # it was there a moment ago
                self.passed_over[GONE] += 1
                return False
            state = entry.stat(follow_symlinks=False)  # a link to nothing: whoever opens it says so
        if stat.S_ISDIR(state.st_mode):
            is_new = not hidden and self._is_new(state)
            if not is_new:
                self.passed_over["hidden folders" if hidden else LINKED_FOLDERS] += 1
            return is_new
        self.seen += 1
        if hidden or not entry.name.lower().endswith(SUFFIXES):
            self.passed_over["hidden" if hidden else OTHER] += 1
        elif not self._is_new(state):
            self.passed_over[LINKED] += 1
        else:
            self.files.append(_listed(Path(entry.path), state))
        return False

    def _is_new(self, state: os.stat_result) -> bool:
        # Some file systems number nothing: there every file counts as new.
        key = (state.st_dev, state.st_ino)
        is_new = not state.st_ino or key not in self.entered
        self.entered.add(key)
        return is_new
