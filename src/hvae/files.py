"""Files that are whole or not there: written beside their place under a temporary name, then renamed; and the one way
in which files are opened that others may have written.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from hvae.capacity import free_memory
from hvae.errors import HvaeError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# Below a gigabyte holes cost nothing; and no file system packs real data a thousandfold.
_HOLES_FROM, _HOLES = 1 << 30, 1000


def open_regular(path: str | Path, limit: int | None = None) -> BufferedReader:
    """Open a regular file of at most `limit` bytes for reading, without ever waiting for somebody to write it.

    Raises HvaeError when there is none, it may not be read, it is a folder, a pipe, a socket or a device, it is larger,
    or it consists of holes.

    >>> open_regular("/dev/null")
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: /dev/null: expected a regular file, got a device
    """
    try:
        # Before it is opened, since opening some devices acts on them; and after, since it may have been exchanged.
        _check_regular(path, os.stat(path), limit)
        with ExitStack() as until_checked:
            file = until_checked.enter_context(open(path, "rb", opener=_without_waiting))
            _check_regular(path, os.fstat(file.fileno()), limit)
            until_checked.pop_all()
            return file
    except OSError as fault:
        raise HvaeError(f"cannot read {path}: {fault.strerror or fault}") from fault


def read_regular(path: str | Path, limit: int | None = None) -> bytes:
    """All bytes of a regular file of at most `limit` bytes, by default the memory available.

    Raises HvaeError as `open_regular` does.
    """
    limit = limit if limit is not None else free_memory() or sys.maxsize - 1
    with open_regular(path, limit) as file:
        try:
            content = file.read(limit + 1) or b""
        except OSError as fault:
            raise HvaeError(f"cannot read {path}: {fault.strerror or fault}") from fault
    if len(content) > limit:  # it grew meanwhile, or the system does not tell its size
        raise HvaeError(f"{path}: expected at most {limit:,} bytes, got more")
    return content


def _without_waiting(path: str, flags: int) -> int:
    # A pipe without a writer, put there between check and opening, would otherwise hold us for ever.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_regular(path: str | Path, state: os.stat_result, limit: int | None) -> None:
    if not stat.S_ISREG(state.st_mode):
        kind = _KINDS.get(stat.S_IFMT(state.st_mode), "something else")
        raise HvaeError(f"{path}: expected a regular file, got {kind}")
    if limit is not None and state.st_size > limit:
        raise HvaeError(f"{path}: expected at most {limit:,} bytes, got {state.st_size:,}")
    stored = getattr(state, "st_blocks", 0) * 512  # 0 where the file system does not tell
    if stored and state.st_size > max(_HOLES_FROM, _HOLES * stored):
        raise HvaeError(f"{path}: expected a whole file, got {state.st_size:,} bytes of which {stored:,} are stored")


def expanded(path: str | Path) -> Path:
    """The place that a text names: `~` and `~name` are homes, and stay as they are where there is none.

    >>> expanded("~nobody-of-this-name/photos").as_posix()
    '~nobody-of-this-name/photos'
    """
    # Path.expanduser would raise what no command answers in a line; so would Path.resolve below for links in a circle.
    return Path(os.path.expanduser(path))


def resolved(path: str | Path) -> Path:
    """The absolute place behind all links; links that lead in a circle stay as they are."""
    return Path(os.path.realpath(path))


_CUT = re.compile(r"\d+ requested and \d+ written")


class TakenError(HvaeError):
    """A file that cannot be written whatever the room there is: a folder has its name."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path in the folder of `path`; it takes the place of `path` when the block ends well.

    On any fault the temporary file is removed and an earlier `path` stays as it was.  Raises HvaeError when the disk
    is full or the folder cannot be written.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with replacing(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    if path.is_dir():
        raise TakenError(f"could not write {path}: a folder is in its place; move it away")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
    except OSError as fault:
        raise HvaeError(f"could not write {path}: {_why(fault)}; free some space or choose another folder") from fault
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def making(folder: str | Path) -> Iterator[Path]:
    """A temporary folder beside `folder`; it becomes `folder` when the block ends well, and goes when it does not.

    Raises HvaeError when `folder` exists already and is not an empty folder, or cannot be written.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "run"
    >>> with making(target) as temporary:
    ...     write_text(temporary / "a.txt", "whole")
    >>> [path.name for path in target.iterdir()]
    ['a.txt']
    """
    free(Path(folder))
    place = resolved(folder)  # a link stays one: what it leads to is made, or filled
    temporary = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        # Onto a folder that has been filled meanwhile this fails, which is what is wanted.
        os.rename(temporary, place)
    except OSError as fault:
        raise HvaeError(f"could not write {folder}: {_why(fault)}; choose another folder") from fault
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def beside(path: str | Path) -> Iterator[Path]:
    """The same name in a temporary folder; all files written there take their places when the block ends well.

    For libraries that write several files, or that look at the ending of a name.  Raises HvaeError when the disk is
    full or the folder cannot be written.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "a.xml"
    >>> with beside(target) as temporary:
    ...     _ = temporary.write_text("graph"), temporary.with_suffix(".bin").write_text("weights")
    >>> sorted(file.name for file in target.parent.iterdir())
    ['a.bin', 'a.xml']
    """
    path = Path(path)
    folder = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        folder.mkdir(parents=True)
        yield folder / path.name
        for file in folder.iterdir():
            _flush(file)
            os.replace(file, path.with_name(file.name))
    except OSError as fault:
        raise HvaeError(f"could not write {path}: {_why(fault)}; free some space or choose another folder") from fault
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free(folder: Path) -> None:
    """Raises HvaeError unless a folder can be made at this place: nothing is ever written over."""
    place = resolved(folder)
    if os.path.lexists(place) and not (place.is_dir() and not any(place.iterdir())):
        raise HvaeError(f"{folder} already exists; name another folder with --out")


def _why(fault: OSError) -> str:
    """What the system said; of what NumPy makes of a write that was cut short, the numbers of which nobody knows."""
    return fault.strerror or ("the disk is full" if _CUT.fullmatch(str(fault)) else str(fault))


def _flush(path: Path) -> None:
    # Without fsync a power cut can leave the new name on an empty file.
    with open(path, "rb+") as f:
        os.fsync(f.fileno())


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all; bytes of file names that are no UTF-8 are written as \\udcNN."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
