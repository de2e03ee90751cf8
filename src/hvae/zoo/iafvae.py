"""The ResNet-VAE with inverse autoregressive flow: residual blocks up and down, one latent in each.

    up:    [q, c, a] = f(elu(h)),  h <- h + 0.1 g(elu(a))                           Kingma, Salimans, Jozefowicz, Chen,
    down:  [p, r, c', a'] = f(elu(h)),  z,  h <- h + 0.1 g(elu([z, a']))            Sutskever and Welling 2016,
    p(z | .) = N(p);   q(z | .) = IAF(N(q + r); c + c')                             arXiv 1606.04934, released code

Sums of raw numbers: locations add, scales multiply.  Every layer is weight-normalised with its length on a log scale
and starts from data: outputs of standard deviation 0.1, in the flow 1.  Sizes and layers are those of the released
TensorFlow code.  Its objective is the ELBO with free bits for each channel on the batch mean (`objective.free_bits`).

Differences from that code: the likelihood's edge bins are open, so that it sums to one, its locations are not cut, and
its scale is one for each channel instead of one in all; the first state is not zero; the top block computes nothing
upwards that nobody reads; at the start a layer whose outputs are constant keeps its length, and the others have the
length that gives 0.1 (there its cube root), for latents of the posterior (there the prior's, also where the
flow reads them).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.config.iafvae import IAFVAEConfig
from hvae.distributions import Distribution, Flowed, Normal
from hvae.errors import HvaeError
from hvae.levels import Positive, gaussian, variance
from hvae.models import TopDown
from hvae.models.conditioning import Place
from hvae.nn import Resize, Shape, Start
from hvae.nn.autoregressive import AutoregressiveNet, InverseAutoregressive
from hvae.nn.conv import halved
from hvae.nn.mlp import Centre
from hvae.nn.weightnorm import LOG, NormedConv, between
from hvae.site import Site, Visit
from hvae.zoo.parts import conditioning, head_for

# What every residual branch is multiplied with, and the standard deviation of its layers' first outputs.
BRANCH, STD = 0.1, 0.1
_conv = partial(NormedConv, std=STD, length=LOG)
_between = partial(between, std=STD, length=LOG)


class UpBlock(nn.Module):
    """h -> (h one block higher, what inference saw here); `last` is None at the top, where nothing is higher.

    The `seen` first channels of `first` are what inference saw: raw q and the flow's context.
    """

    def __init__(self, *, first: nn.Module, last: nn.Module | None, inputs: int, halve: bool) -> None:
        super().__init__()
        self.first, self.last, self.seen, self.step = first, last, inputs, 2 if halve else 1

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        raw = self.first(F.elu(h))
        e, a = raw[:, : self.seen], raw[:, self.seen :]
        h = h[:, :, :: self.step, :: self.step]
        return h if self.last is None else h + BRANCH * self.last(F.elu(a)), e


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


class DownBlock(nn.Module):
    """One level: (h, e, visit) -> h; `grow` brings h to the resolution that `last` ends at."""

    def __init__(
        self,
        name: str,
        *,
        first: nn.Module,
        widths: Widths,
        positive: Positive,
        posterior: nn.Module,
        last: nn.Module,
        grow: nn.Module,
    ) -> None:
        super().__init__()
        self.name, self.widths, self.positive = name, widths, positive
        self.first, self.posterior, self.last, self.grow = first, posterior, last, grow

    def forward(self, h: Tensor, e: Tensor | None, visit: Visit) -> Tensor:
        p, r, context, on = self.first(F.elu(h)).split(self.widths, 1)
        q = None if e is None else self._posterior(r, context, e)
        z = visit(Site(self.name, gaussian(p, self.positive), q))
        return self.grow(h) + BRANCH * self.last(F.elu(torch.cat([z, on], 1)))

    def _posterior(self, r: Tensor, context: Tensor, e: Tensor) -> Distribution:
        raw, features = e.split([self.widths.r, self.widths.context], 1)
        return self.posterior(raw + r, features + context)

    def extra_repr(self) -> str:
        return self.name


def build(config: IAFVAEConfig, shape: Shape, bits: int) -> TopDown:
    """So many blocks at each scale; the lowest scale is at half the data's resolution."""
    if len(shape) != 3:
        raise HvaeError(f"iafvae needs images (C, H, W), got data of shape {shape}; for vectors choose lvae")
    head, w = head_for(config, shape, bits), config.width
    sizes = _sizes(config, shape)
    enter = nn.Sequential(Centre(), _between(shape, (w, *sizes[0]), 5))
    return TopDown(
        shape,
        bottom_up=Climb(enter, {f"z{l}": block for l, block in enumerate(_up(config, sizes), start=1)}),
        start=nn.Sequential(Start((w, 1, 1)), Resize(sizes[-1])),
        levels=list(reversed(list(_down(config, sizes)))),
        leave=nn.Sequential(nn.ELU(), _between((w, *sizes[0]), (head.width, *shape[1:]), 5)),
        head=head,
        condition=conditioning(
            config.condition, {f"z{l}": Place(state=w) for l in range(len(sizes) - 1, 0, -1)}, shape
        ),
    )


def _sizes(config: IAFVAEConfig, shape: Shape) -> list[Shape]:
    """The spatial size below the first block, and after each block on the way up."""
    sizes = [halved(shape[1:])]
    for scale, count in enumerate(config.blocks):
        first = halved(sizes[-1]) if scale else sizes[-1]
        sizes += [first] * count
    return sizes


def _context(config: IAFVAEConfig) -> int:
    return config.width if config.posterior == "iaf" else 0


def _up(config: IAFVAEConfig, sizes: list[Shape]) -> Iterator[UpBlock]:
    w, inputs, top = config.width, 2 * config.latent + _context(config), len(sizes) - 1
    for l, (below, here) in enumerate(pairwise(sizes), start=1):
        on = 0 if l == top else w
        yield UpBlock(
            first=_between((w, *below), (inputs + on, *here), 3),
            last=_conv(w, w, 3) if on else None,
            inputs=inputs,
            halve=below != here,
        )


def _down(config: IAFVAEConfig, sizes: list[Shape]) -> Iterator[DownBlock]:
    w, d, positive = config.width, config.latent, variance(config.variance)
    widths = Widths(p=2 * d, r=2 * d, context=_context(config), on=w)
    for l, (below, here) in enumerate(pairwise(sizes), start=1):
        yield DownBlock(
            f"z{l}",
            first=_conv(w, sum(widths), 3),
            widths=widths,
            positive=positive,
            posterior=_posterior(config, positive),
            last=_between((d + w, *here), (w, *below), 3),
            grow=nn.Identity() if below == here else Resize(below),
        )


def _posterior(config: IAFVAEConfig, positive: Positive) -> nn.Module:
    if config.posterior == "gaussian":
        return GaussianPosterior(positive)
    net = AutoregressiveNet(config.latent, config.width, config.flow)
    return FlowPosterior(positive, InverseAutoregressive(net))
