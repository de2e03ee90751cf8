"""How a latent joins the state that skips its level, by the name in a configuration.

Shapes: `C` channels of the state, `D` of the latent.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torch import nn

from hvae.config.maps import Skip
from hvae.levels import Add, Gate, Join
from hvae.nn.conv import pointwise, summing
from hvae.zoo.pyramid import QUIET

Own = Callable[[str, Callable[[], nn.Module]], nn.Module]
"""(a network's name, what makes it) -> the level's own, or the one that it shares."""


class Skipping(NamedTuple):
    """Where a latent joins the state: channels of the state and of the latent, its size at the start, axes."""

    state: int
    latent: int
    gain: float
    axes: int = 2

    def inject(self) -> nn.Module:
        """The latent as a state."""
        return pointwise(self.latent, self.state, self.gain, self.axes)


Joining = Callable[[nn.Module], nn.Module]
"""What follows a latent's entry -> both."""


def _added(own: Own, at: Skipping) -> Joining:
    return partial(Add, own("inject", at.inject))


def _joined(own: Own, at: Skipping) -> Joining:
    both = own("inject", lambda: summing(at.state, at.latent, at.gain, at.axes))
    return lambda after: Join(nn.Identity(), nn.Sequential(both, after))


def _gated(own: Own, at: Skipping) -> Joining:
    inject = own("inject", at.inject)
    return partial(Gate, inject, own("gate", lambda: pointwise(at.state, at.state, QUIET, at.axes)))


SKIPS: dict[Skip, Callable[[Own, Skipping], Joining]] = {"add": _added, "concat": _joined, "gated": _gated}
"""add: their sum; concat: a linear map of both, which starts as their sum; gated: the state says how much of each
channel it takes in."""
