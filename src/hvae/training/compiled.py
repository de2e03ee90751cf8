"""torch.compile with its cache of code in a folder that its user alone can enter.

By itself torch takes a folder of the system's temporary place, by a name that anyone can guess and make first: code of
theirs would be run.  The cache is of the user, never of a run folder, which travels.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from hvae.data.fetch import cache_folder
from hvae.errors import HvaeError

PLACE = "TORCHINDUCTOR_CACHE_DIR"


def compiled(function: Callable[..., Any]) -> Any:
    """The function compiled.  Raises HvaeError where no folder of the user's own can be had for the code."""
    if PLACE not in os.environ:
        os.environ[PLACE] = str(private(cache_folder() / "compiled"))
    return torch.compile(function)


def private(folder: Path) -> Path:
    """A folder that is the user's own, and closed to others from now on.  Raises HvaeError where it is not.

    >>> import tempfile
    >>> oct(private(Path(tempfile.mkdtemp()) / "a" / "b").stat().st_mode)[-3:]
    '700'
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            raise HvaeError(f"{folder} is another user's, or a link; remove it, or set {PLACE} to a folder of your own")
        folder.chmod(0o700)
    except OSError as fault:
        raise HvaeError(f"could not make {folder}: {fault.strerror}; set {PLACE} to a folder of your own") from fault
    return folder
