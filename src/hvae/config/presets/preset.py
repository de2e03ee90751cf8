"""What a preset is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hvae.config.run import RunConfig

YOUR_FOLDER = "FOLDER"
"""Stands in a preset for the path that only its user knows."""


@dataclass(frozen=True)
class Preset:
    """A named run: what it is, how long it takes, and its configuration."""

    about: str
    time: str
    make: Callable[[], RunConfig]
