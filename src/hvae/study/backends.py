"""Who computes what a study asks of a run: torch, or a runtime in its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hvae.config.parse import plain
from hvae.errors import unknown
from hvae.study.progress import Tell, silent

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.engine import Engine

PLAIN = "torch"
NAMES = (PLAIN, "onnxruntime", "openvino", "compile")


def check_backend(name: str) -> None:
    """Raises HvaeError for a back end that there is not."""
    if name not in NAMES:
        raise unknown("back end", name, NAMES)


def engine_of(run: LoadedRun, name: str, tell: Tell = silent) -> Engine:
    """The engine of this name for a run; `tell` hears where torch has to compute instead, and why.

    Raises HvaeError for a name that there is not, and where a library is missing.
    """
    from hvae.deploy.backend import Backend
    from hvae.engine import TORCH

    check_backend(name)
    return TORCH if name == PLAIN else Backend(name, json.dumps(plain(run.config.model), sort_keys=True), tell)
