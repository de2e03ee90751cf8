"""The blocks of the ResNet-VAE, the way up and one level of the way down, and its posteriors.

Shapes: `h w` space of a block; channels as `Widths` names them.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.distributions import Distribution, Flowed, Normal
from hvae.levels import Positive, gaussian
from hvae.nn.autoregressive import InverseAutoregressive
from hvae.site import Site, Visit

BRANCH = 0.1
"""What every residual branch is multiplied with."""


class UpBlock(nn.Module):
    """h -> (h one block higher, what inference saw here); `last` is None at the top, where nothing is higher.

    `then` is what h passes last.  The first channels of `first` are what inference saw: raw q and the flow's context,
    `seen` of them.
    """

    def __init__(self, *, first: nn.Module, last: nn.Module | None, then: nn.Module, inputs: int, halve: bool) -> None:
        super().__init__()
        self.first, self.last, self.then = first, last, then
        self.seen, self.step = inputs, 2 if halve else 1

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        raw = self.first(F.elu(h))
        e, a = raw[:, : self.seen], raw[:, self.seen :]
        h = h[:, :, :: self.step, :: self.step]
        return h if self.last is None else self.then(h + BRANCH * self.last(F.elu(a))), e


class Climb(nn.Module):
    """x -> what inference saw at each level, by name."""

    def __init__(self, enter: nn.Module, blocks: dict[str, nn.Module]) -> None:
        super().__init__()
        self.enter, self.blocks = enter, nn.ModuleDict(blocks)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        h, features = self.enter(x), {}
        for name, block in self.blocks.items():
            h, features[name] = block(h)
        return features


class GaussianPosterior(nn.Module):
    """(raw, context) -> N(raw)."""

    def __init__(self, positive: Positive) -> None:
        super().__init__()
        self.positive = positive

    def forward(self, raw: Tensor, context: Tensor) -> Normal:
        return gaussian(raw, self.positive)


class FlowPosterior(nn.Module):
    """(raw, context) -> the law of flow(z_0; context), z_0 ~ N(raw)."""

    def __init__(self, positive: Positive, flow: InverseAutoregressive) -> None:
        super().__init__()
        self.positive, self.flow = positive, flow

    def forward(self, raw: Tensor, context: Tensor) -> Flowed:
        forward, inverse = partial(self.flow, context=context), partial(self.flow.inverse, context=context)
        return Flowed(gaussian(raw, self.positive), forward, inverse)


class Widths(NamedTuple):
    """Channels of what the first layer of a block down gives: raw p, raw r, the flow's context, what goes on."""

    p: int
    r: int
    context: int
    on: int


class Before(nn.Module):
    """[z, h], side by side: (B, C, h w), (B, D, h w) -> (B, D + C, h w)."""

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        return torch.cat([z, h], 1)


class DownBlock(nn.Module):
    """One level: (h, e, visit) -> h; `enter` is what h passes first, `join`, (h, z) -> h, how a latent joins what goes
    on, and `grow` brings h to the resolution that `last` ends at."""

    def __init__(
        self,
        name: str,
        *,
        enter: nn.Module,
        first: nn.Module,
        widths: Widths,
        positive: Positive,
        posterior: nn.Module,
        join: nn.Module,
        last: nn.Module,
        grow: nn.Module,
    ) -> None:
        super().__init__()
        self.name, self.widths, self.positive = name, widths, positive
        self.enter, self.first, self.posterior = enter, first, posterior
        self.join, self.last, self.grow = join, last, grow

    def forward(self, h: Tensor, e: Tensor | None, visit: Visit) -> Tensor:
        h = self.enter(h)
        p, r, context, on = self.first(F.elu(h)).split(self.widths, 1)
        q = None if e is None else self._posterior(r, context, e)
        z = visit(Site(self.name, gaussian(p, self.positive), q))
        return self.grow(h) + BRANCH * self.last(F.elu(self.join(on, z)))

    def _posterior(self, r: Tensor, context: Tensor, e: Tensor) -> Distribution:
        raw, features = e.split([self.widths.r, self.widths.context], 1)
        return self.posterior(raw + r, features + context)

    def extra_repr(self) -> str:
        return self.name
