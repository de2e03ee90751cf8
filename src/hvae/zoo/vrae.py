"""The variational recurrent autoencoder: one latent for a whole sequence, a recurrent encoder and decoder.

    q(z | x) = N(mu, sigma^2) of the last states of the encoder     Fabius and van Amersfoort 2014, arXiv 1412.6581,
    p(z) = N(0, I),   h_0 = W z,   p(x_t | h_t)                     sec. 2
    h_t = f(h_{t-1}, [phi(x_{t-1}), z])                             Bowman et al. 2016, arXiv 1511.06349, sec. 3

The encoder reads from both sides.  The decoder gets z as its first state and at every step, so that z can never be
forgotten; how much it hears of its own past in training is `objective.keep` (word dropout).

More than one entry of `latents` is a ladder of latents of the whole sequence, z1 nearest the data:

    p(z_L) = N(0, I),   p(z_l | z_{l+1})   and   q(z_l | z_{l+1}, x)   merged as `posterior` says, as in `lvae`

Differences from the papers: gated cells where the first has plain ones, both directions where both have one.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from hvae.config.sequences import VRAEConfig
from hvae.levels import DataOnly, LearnedPrior, Level, Replace, StandardPrior, merge, variance
from hvae.models.narrator import Narrator
from hvae.nn import BottomUp, Constant, Shape, Start
from hvae.nn.readers import Summary
from hvae.nn.recurrence import FirstCarry, over_time
from hvae.zoo.sequences import embedding, hidden, leaving, limits_of, step_head, step_of, to_gaussian


def build(config: VRAEConfig, shape: Shape, bits: int) -> Narrator:
    """A summary of both directions, one or more latents of it, and a decoder."""
    step = step_of(config, shape)
    head, width, plan = step_head(config, step, bits), config.width, config.latents[0]
    names = ["z"] if len(config.latents) == 1 else [f"z{l}" for l in range(1, len(config.latents) + 1)]
    widths = [2 * config.state, *[width] * len(names)]
    climb = {name: nn.Sequential(*hidden(a, b, 1)) for name, (a, b) in zip(names, pairwise(widths), strict=True)}
    levels = [_top(config, names[-1], config.latents[-1])]
    for name, (dims, above) in reversed(list(zip(names[:-1], pairwise(config.latents), strict=True))):
        levels.append(_level(config, name, dims, above))
    return Narrator(
        shape,
        limits=limits_of(config, step, bits),
        embed=embedding(config, step, width, config.layers),
        reader=Summary(*(over_time(config.cell, width, config.state) for _ in range(2))),
        climb=BottomUp(climb),
        start=Constant((1,)),
        levels=levels,
        first=Start((width,)),
        carry=FirstCarry(config.cell, plan, config.state),
        decoder=over_time(config.cell, width + plan, config.state),
        leave=leaving(config.state, width, config.layers, head),
        head=head,
    )


def _top(config: VRAEConfig, name: str, dims: int) -> Level:
    return Level(
        name,
        prior=StandardPrior((dims,)),
        posterior=DataOnly(to_gaussian(config.width, config.width, 0, dims), variance(config.variance)),
        absorb=Replace(nn.Identity()),
    )


def _level(config: VRAEConfig, name: str, dims: int, above: int) -> Level:
    """z_l, given the latent above it."""
    positive, width = variance(config.variance), config.width
    networks = {
        "message": lambda: to_gaussian(width, width, 0, dims),
        "joint": lambda: to_gaussian(above + width, width, 1, dims),
        "linear": lambda: to_gaussian(above + width, width, 0, dims),
    }
    return Level(
        name,
        prior=LearnedPrior(to_gaussian(above, width, 1, dims), positive),
        posterior=merge(config.posterior, positive, networks),
        absorb=Replace(nn.Identity()),
    )
