"""Sequences of the user's own: what kind they are, and who reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from hvae.config.data import DataConfig
from hvae.data.sequences.raw import RawSequences
from hvae.data.sequences.rolls import read_rolls
from hvae.errors import HvaeError

Reader = Callable[[Path, DataConfig], RawSequences]


def _rolls(path: Path, config: DataConfig) -> RawSequences:
    return read_rolls(path)


READERS: Mapping[str, Reader] = {"rolls": _rolls}
KINDS: Mapping[str, str] = {".mat": "rolls", ".npz": "rolls", ".npy": "rolls"}
"""What a file is by its ending, unless data.kind says it."""


def read_own(config: DataConfig) -> RawSequences:
    """The sequences of data.path.  Raises HvaeError for a place or a kind that cannot be read."""
    path = Path(config.path).expanduser()
    if not path.exists():
        raise HvaeError(f"data.path={config.path}: no such file or folder (looked in {path.resolve()})")
    kind = config.kind if config.kind != "auto" else _kind(path)
    return READERS[kind](path, config)


def _kind(path: Path) -> str:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    kinds = (KINDS[file.suffix.lower()] for file in files if file.suffix.lower() in KINDS)
    found = next(kinds, "")
    if not found:
        raise HvaeError(f"{path}: expected files that end in {', '.join(KINDS)}, got none; name one by data.kind")
    return found
