"""A kit of layers: what a family needs of networks, so that it is written once for vectors and for images.

Shapes: a feature is (H,) for vectors or (C, h, w) for maps, always without the batch.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from hvae.errors import HvaeError
from hvae.screen.numbers import counted

Shape = tuple[int, ...]


Norm = Callable[[int], nn.Module]
"""A normalisation of so many channels."""


def unnormalised(channels: int) -> nn.Module:
    """No normalisation."""
    return nn.Identity()


class Groups(nn.GroupNorm):
    """Group normalisation, (B, C, ...) -> (B, C, ...).  Raises HvaeError for a group of one value, which would always
    become 0 (torch refuses it for a single datum, and takes it for several)."""

    def forward(self, h: Tensor) -> Tensor:
        places = math.prod(h.shape[2:])
        if self.num_channels == self.num_groups and places == 1:
            raise HvaeError(
                "expected at least 2 values in a group of channels that is normalised, got "
                f"{counted(self.num_channels, 'channel')} in {counted(self.num_groups, 'group')} at the only place of "
                "a map; set fewer scales, other widths, or another model.norm"
            )
        return super().forward(h)


class Batches(nn.BatchNorm1d):
    """Batch normalisation of vectors, (B, H) -> (B, H).  Raises HvaeError in training for a single datum, which would
    always become 0."""

    def forward(self, h: Tensor) -> Tensor:
        if self.training and h.shape[0] == 1:
            raise HvaeError(
                "expected at least 2 data at once, over which batch norm normalises while a model trains, got 1; take "
                "larger batches, model.norm none, or model.eval() where nothing is trained"
            )
        return super().forward(h)


def grouped(channels: int) -> nn.Module:
    """Group normalisation (Wu and He 2018, arXiv 1803.08494) of at least 16 channels a group, or of all there are.

    Each datum is normalised by itself, over the channels of a group and over space.  A group of one channel would lose
    all it says where a map is 1 x 1, hence the sixteen, the number of the paper's table 3.

    >>> [grouped(channels).num_groups for channels in (8, 40, 64)]
    [1, 2, 4]
    """
    return Groups(math.gcd(channels, max(1, channels // 16)), channels)


class Kit(ABC):
    """Layers over one kind of features.  Every method returns a fresh module."""

    @abstractmethod
    def shapes(self, data: Shape, widths: Sequence[int]) -> list[Shape]:
        """The shape of the features at each depth, from the data up."""

    @abstractmethod
    def latent(self, feature: Shape, dims: int) -> Shape:
        """The shape of a latent of `dims` dimensions (or channels) that lives beside such a feature."""

    @abstractmethod
    def enter(self, data: Shape, to: Shape) -> nn.Module:
        """Data in [0, 1], centred, to a first feature."""

    @abstractmethod
    def connect(self, a: Shape, b: Shape) -> nn.Module:
        """A nonlinear network from features of shape `a` to features of shape `b`, whatever the resolutions."""

    @abstractmethod
    def gaussian(self, a: Shape, dims: int) -> nn.Module:
        """One linear map (for maps: at every position) to a Gaussian's 2 `dims` raw numbers: locations, then scales."""

    @abstractmethod
    def leave(self, a: Shape, data: Shape, parameters: int) -> nn.Module:
        """Features to `parameters` raw numbers an element position of the data: (B, parameters, *positions)."""
