"""torch.compile with its cache of code in a folder that its user alone can enter.

By itself torch takes a folder of the system's temporary place, by a name that anyone can guess and make first: code of
theirs would be run.  The cache is of the user, never of a run folder, which travels.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch

from hvae.caches import cache_folder, private

PLACE = "TORCHINDUCTOR_CACHE_DIR"


def compiled(function: Callable[..., Any]) -> Any:
    """The function compiled.  Raises HvaeError where no folder of the user's own can be had for the code."""
    if PLACE not in os.environ:
        os.environ[PLACE] = str(private(cache_folder() / "compiled", PLACE))
    return torch.compile(function)
