"""Which networks of a model share their weights: those that are used alike, as its configuration says.

Falck et al. 2022, arXiv 2301.08187: blocks of one resolution may share their weights, since they refine one map again
and again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import nn

from hvae.config.maps import Share
from hvae.nn.shared import Pool


class Use(NamedTuple):
    """Where a network is used: for what, at which scale, in which level."""

    what: str
    scale: int
    number: int


_LEVELS: dict[Share, Callable[[Use], Use]] = {
    "none": lambda use: use,
    "ways": lambda use: use,
    "levels": lambda use: use._replace(number=0),
    "both": lambda use: use._replace(number=0),
}
"""What networks share that are used alike: each level of a scale its own, or all of them one."""
_BLOCKS = {"up": "blocks", "down": "blocks"}
_WAYS: dict[Share, dict[str, str]] = {"none": {}, "levels": {}, "ways": _BLOCKS, "both": _BLOCKS}
"""What the blocks of a level on the way up ("up") and on the way down ("down") are called, if they are one."""


class Sharing:
    """The networks of one model: each place its own, or that of the first place that is used alike.

    >>> shared = Sharing("levels")
    >>> first, again = (shared.one(Use("prior", 0, level), lambda: nn.Linear(2, 3)) for level in (1, 2))
    >>> len(list(first.parameters())), len(list(again.parameters()))
    (2, 0)
    """

    def __init__(self, share: Share) -> None:
        self._share, self._pool = share, Pool()

    def __call__(self, use: Use, make: Callable[[], list[nn.Module]]) -> list[nn.Module]:
        """The networks of a place, made if no place before is used alike."""
        what = _WAYS[self._share].get(use.what, use.what)
        return self._pool(_LEVELS[self._share](use._replace(what=what)), make)

    def one(self, use: Use, make: Callable[[], nn.Module]) -> nn.Module:
        """The one network of a place."""
        [network] = self(use, lambda: [make()])
        return network
