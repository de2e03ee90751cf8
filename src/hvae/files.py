"""Files that are whole or not there: written beside their place under a temporary name, then renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hvae.errors import HvaeError


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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
    except OSError as fault:
        raise HvaeError(
            f"could not write {path}: {fault.strerror or fault}; free some space or choose another folder"
        ) from fault
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
    folder = Path(folder)
    free(folder)
    temporary = folder.absolute().with_name(f".{folder.absolute().name}.{os.getpid()}.part")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        # Onto a folder that has been filled meanwhile this fails, which is what is wanted.
        os.rename(temporary, folder)
    except OSError as fault:
        raise HvaeError(f"could not write {folder}: {fault.strerror or fault}; choose another folder") from fault
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def free(folder: Path) -> None:
    """Raises HvaeError unless a folder can be made at this place: nothing is ever written over."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise HvaeError(f"{folder} already exists; name another folder with --out")


def _flush(path: Path) -> None:
    # Without fsync a power cut can leave the new name on an empty file.
    with open(path, "rb+") as f:
        os.fsync(f.fileno())


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
