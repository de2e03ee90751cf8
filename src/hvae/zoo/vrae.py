"""The variational recurrent autoencoder: one latent for a whole sequence, a recurrent encoder and decoder.

    q(z | x) = N(mu, sigma^2) of the last states of the encoder     Fabius and van Amersfoort 2014, arXiv 1412.6581,
    p(z) = N(0, I),   h_0 = W z,   p(x_t | h_t)                     sec. 2
    h_t = f(h_{t-1}, [phi(x_{t-1}), z])                             Bowman et al. 2016, arXiv 1511.06349, sec. 3

The encoder reads from both sides.  The decoder gets z as its first state and at every step, so that z can never be
forgotten; how much it hears of its own past in training is `objective.keep` (word dropout).

More than one entry of `latents` is a ladder of latents of the whole sequence, z1 nearest the data:

    p(z_L) = N(0, I),   p(z_l | z_{l+1})   and   q(z_l | z_{l+1}, x)   merged as `posterior` says, as in `lvae`

`bar` steps make a bar, and z1 is then a latent of each bar under a conductor:      Roberts et al. 2018, arXiv
    c_k = f'(c_{k-1}, [z1_{k-1}, z2]),   p(z1_k | c_k),   q(z1_k | c_k, e_k)        1803.05428, sec. 3.2
    h_{(k-1) bar} = W [c_k, z1_k],   h_t = f(h_{t-1}, [phi(x_{t-1}), c_k, z1_k])    within bar k

where e_k summarises bar k from both sides, and the encoder of the whole reads e_1 .. e_K.

`decoder` (and `encoder`) transformer: attention in place of f, to the last `memory` steps, with no gradient through
those of earlier chunks (nn/memory.py); W z is the first thing it remembers.

A condition y enters each latent on its way to what lies below, and what inference reads of the sequence; under the name
of the data, phi(x_{t-1}) as the decoder hears it.

Differences from the papers: gated cells where the first has plain ones, both directions where both have one; the
conductor's bars have latents of their own (there: functions of z alone), and the encoder is one of bars.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from hvae.config.sequences import VRAEConfig
from hvae.levels import DataOnly, LearnedPrior, Level, Replace, StandardPrior, merge, variance
from hvae.models.clockwork import Rung
from hvae.models.conditioning import LAST, Place
from hvae.models.narrator import Conductor, Narrator, OnePlan
from hvae.nn import BottomUp, Constant, Shape, Start
from hvae.nn.readers import ReadBars, Summary, WithBars
from hvae.nn.recurrence import After, memory_size, step_cell
from hvae.zoo.parts import conditioning
from hvae.zoo.sequences import (
    embedding,
    first_carry,
    hidden,
    leaving,
    limits_of,
    series_over,
    step_head,
    step_of,
    ticking,
    to_gaussian,
)


def build(config: VRAEConfig, shape: Shape, bits: int) -> Narrator:
    """A summary of both directions, one or more latents of it, and a decoder."""
    step = step_of(config, shape)
    head, width = step_head(config, step, bits), config.width
    names = ["z"] if len(config.latents) == 1 else [f"z{l}" for l in range(1, len(config.latents) + 1)]
    whole = 1 if config.bar else 0  # the first level that is of the whole
    climb = _climb(config, names[whole:])
    levels = [_top(config, names[-1], config.latents[-1])]
    for name, (dims, above) in reversed(list(zip(names[whole:-1], pairwise(config.latents[whole:]), strict=True))):
        levels.append(_level(config, name, dims, above))
    plan = config.latents[0] + (memory_size(config.cell, config.state) + config.state if config.bar else 0)
    return Narrator(
        shape,
        limits=limits_of(config, step, bits),
        embed=embedding(config, step, width, config.layers),
        reader=_bars(config) if config.bar else _summary(config, width),
        climb=WithBars(names[0], climb) if config.bar else climb,
        start=Constant((1,)),
        levels=levels,
        conduct=Conductor(_conductor(config, names[0])) if config.bar else OnePlan(),
        bar=config.bar,
        first=Start((width,)),
        carry=first_carry(config, plan),
        decoder=series_over(config, config.decoder, width + plan),
        leave=leaving(config.state, width, config.layers, head),
        head=head,
        condition=conditioning(config.condition, _places(config, names)),
    )


def _places(config: VRAEConfig, names: Sequence[str]) -> dict[str, Place]:
    """Each latent on its way down and what inference reads of it; of bars, what the conductor hears and begins with."""
    width = config.width
    places = {name: Place(evidence=width, value=d) for name, d in zip(names, config.latents, strict=True)}
    if config.bar:
        carried = memory_size(config.cell, config.state) + config.state + config.latents[0]
        places[names[0]] = places[names[0]]._replace(state=carried, past=config.latents[1])
    return {**dict(reversed(places.items())), LAST: Place(past=width)}


def _summary(config: VRAEConfig, inputs: int) -> Summary:
    return Summary(*(series_over(config, config.encoder, inputs) for _ in range(2)))


def _climb(config: VRAEConfig, names: Sequence[str]) -> BottomUp:
    """The summary of the whole to a feature of each level of it, the lowest first."""
    widths = [2 * config.state, *[config.width] * len(names)]
    blocks = {name: nn.Sequential(*hidden(a, b, 1)) for name, (a, b) in zip(names, pairwise(widths), strict=True)}
    return BottomUp(blocks)


def _bars(config: VRAEConfig) -> ReadBars:
    width = config.width
    bars = nn.Sequential(*hidden(2 * config.state, width, 1))
    return ReadBars(config.bar, _summary(config, width), bars, _summary(config, width))


def _conductor(config: VRAEConfig, name: str) -> Rung:
    size, dims = memory_size(config.cell, config.state) + config.state, config.latents[0]
    return Rung(
        stride=config.bar,
        read=nn.Identity(),
        first=Constant((size + dims,)),
        enter=After(step_cell(config.cell, config.latents[1] + dims, config.state), size),
        level=ticking(config, name, dims),
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
