"""What a preset is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hvae.config.data import DataConfig
from hvae.config.run import RunConfig

YOUR_FOLDER, YOUR_FILE = "FOLDER", "FILE"
"""Stand in a preset for the path that only its user knows."""


def is_open(data: DataConfig) -> bool:
    """Whether the path is still to be given.

    >>> is_open(DataConfig(name="folder", path=YOUR_FOLDER)), is_open(DataConfig(name="digits"))
    (True, False)
    """
    return data.path in (YOUR_FOLDER, YOUR_FILE)


@dataclass(frozen=True)
class Preset:
    """A named run: what it is, how long it takes, and its configuration."""

    about: str
    time: str
    make: Callable[[], RunConfig]
