"""last.ckpt: everything a run needs to go on as if it had never stopped.

Written whole or not at all, so that the last good one survives a full disk or a kill; read as tensors and plain values
only, so that no file can execute code.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch

from hvae.errors import HvaeError
from hvae.files import replacing

LAST, WEIGHTS, METRICS = "last.ckpt", "model.safetensors", "metrics.csv"
_FORMAT = 2


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values.  Raises HvaeError when the disk is full; an earlier file stays as it was."""
    # Through an open file, since torch turns the disk's own error into one without a cause when given a path.
    with replacing(path) as temporary, open(temporary, "wb") as f:
        torch.save({"hvae": _FORMAT, **content}, f)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `write_checkpoint` wrote, onto the CPU.  Raises HvaeError if it is damaged or not ours."""
    try:
        return _checked(path)
    except Exception as fault:  # A damaged file can make the reader fail in any way.
        raise HvaeError(
            f"{path} is damaged or not a checkpoint of this version ({type(fault).__name__}); "
            "restore it from a copy, or delete it to train from the start"
        ) from fault


def _checked(path: Path) -> dict[str, Any]:
    # torch.load hands out tensors without looking at the checksums that its own format keeps of them.
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if broken or content["hvae"] != _FORMAT:
        raise ValueError(broken or content["hvae"])
    return content


def clear_remains(folder: Path) -> None:
    """Remove the unfinished files that killed runs left; only one run at a time writes to a folder."""
    for name in (LAST, WEIGHTS, METRICS):
        for remains in folder.glob(f".{name}.*.part"):
            remains.unlink(missing_ok=True)
