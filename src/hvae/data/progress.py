"""A progress bar with the time left, on the error stream: standard output belongs to results."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
    track,
)

Item = TypeVar("Item")


def progress(items: Iterable[Item], what: str, *, total: int) -> Iterator[Item]:
    """Pass `items` on, with a bar while a person is looking (the error stream is a terminal)."""
    quiet = not sys.stderr.isatty()
    yield from track(items, what, total=total, console=Console(stderr=True), transient=True, disable=quiet)


def download_progress() -> Progress:
    """A bar that counts bytes: amount, speed, time left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
