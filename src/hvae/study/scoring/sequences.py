"""The sequences that are scored: whether the model has seen them, and what is refused of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hvae.errors import HvaeError
from hvae.study.scoring.request import Request

if TYPE_CHECKING:
    from hvae.data import SequenceSplit


def check(request: Request) -> None:
    """Raises HvaeError for what only images have."""
    for name, value in (("reverse", request.reverse), ("regret", request.regret), ("maps", request.maps)):
        if value:
            raise HvaeError(f"--{name} is for images, and this run is of sequences; leave it out")


def overlap(ours: SequenceSplit, theirs: SequenceSplit) -> int:
    """How many of their sequences are among ours, value by value."""
    if ours.store.shape[1:] != theirs.store.shape[1:]:
        return 0
    prints = set(_prints(ours))
    return sum(one in prints for one in _prints(theirs))


def _prints(split: SequenceSplit) -> Iterator[int]:
    """A number for each sequence that depends on its values and its length alone."""
    yield from (hash(split.levels(index).numpy().tobytes()) for index in range(len(split)))
