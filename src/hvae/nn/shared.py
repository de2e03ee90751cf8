"""Networks that several places of a model use, each with weights of one.

Falck et al. 2022, arXiv 2301.08187: blocks of one resolution may share their weights, since they refine one map again
and again.  A lent network belongs to the first place that uses it, where its weights have their names and are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from torch import Tensor, nn


class Borrowed(nn.Module):
    """The network of another place, at its values and gradients; no weights of its own.

    >>> owner = nn.Linear(2, 3)
    >>> len(list(Borrowed(owner).parameters())), Borrowed(owner).state_dict() == {}
    (0, True)
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        # In a tuple it is no part of this module: its weights would be stored twice.
        self._lent = (network,)

    def forward(self, *args: Tensor) -> Tensor:
        outcome: Tensor = self._lent[0](*args)
        return outcome

    def extra_repr(self) -> str:
        return f"a {type(self._lent[0]).__name__} of another place"


class Pool:
    """Networks by a key of what may share them: the first place with a key owns what it asks for, others borrow it."""

    def __init__(self) -> None:
        self._owned: dict[Hashable, list[nn.Module]] = {}

    def __call__(self, key: Hashable, make: Callable[[], list[nn.Module]]) -> list[nn.Module]:
        """The networks of a key, made if this is its first place."""
        if key in self._owned:
            return [Borrowed(network) for network in self._owned[key]]
        self._owned[key] = make()
        return list(self._owned[key])
