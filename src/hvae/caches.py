"""Folders of the user's own for what can be made again: downloads, decoded images, compiled code, converted graphs."""

from __future__ import annotations

import os
from pathlib import Path

from hvae.errors import HvaeError

HOME = "XDG_CACHE_HOME"


def cache_folder() -> Path:
    """Where downloads, decoded images and converted models are kept: `hvae` in the user's cache folder.

    Raises HvaeError for a user who has none, as some containers make them.
    """
    cache = os.environ.get(HOME) or os.path.expanduser("~/.cache")
    if cache.startswith("~"):
        raise HvaeError(f"this user has no home folder to keep downloads in; set HOME, or {HOME}, to a folder")
    return Path(cache) / "hvae"


def private(folder: Path, variable: str = HOME) -> Path:
    """A folder that is the user's own, and closed to others from now on: for code, which whoever writes it lets run.

    Raises HvaeError where it is not; `variable` of the environment names another place.

    >>> import tempfile
    >>> oct(private(Path(tempfile.mkdtemp()) / "a" / "b").stat().st_mode)[-3:]
    '700'
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            own = f"set {variable} to a folder of your own"
            raise HvaeError(f"{folder} is another user's, or a link; remove it, or {own}")
        folder.chmod(0o700)
    except OSError as fault:
        raise HvaeError(f"could not make {folder}: {fault.strerror}; set {variable} to a folder of your own") from fault
    return folder
