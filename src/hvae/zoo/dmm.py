"""The deep Markov model: a chain of latents that alone make the data, inferred backwards in time.

    p(z_t | z_{t-1}) = N(mu, sigma^2), the gated transition      Krishnan, Shalit and Sontag 2017, arXiv 1609.09869,
    p(x_t | z_t)                                                 sec. 3.1
    h_t = f(h_{t+1}, x_t)                                        (`reader` right: ST-R in sec. 4)
    q(z_t | z_{t-1}, x_{t:T}) = N(mu_q, sigma_q^2) of (tanh(W z_{t-1} + b) + h_t) / 2

`reader` both (ST-LR): a second recurrence reads the data from the left, and the average is over three.  The exact
posterior factorises as `right` does, since z_{t-1} holds all that the past says of z_t; `both` is for inference
networks that cannot hold it.

`model.flow` pushes q, p or both of each step through a flow, of which q's may read h_t.  That of Pyro's example stands
on q and does not (posterior affine, context none).

z_0 is learned, once for p and once for q (as in the code of Pyro's example).

A condition y enters z_{t-1} on its way into the transition, h_t as q reads it, and z_t on its way to the likelihood and
to the step after it.

Differences from the paper: no L2 penalty, no dropout; sizes are those of small data.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hvae.config.sequences import DMMConfig
from hvae.levels import LearnedPrior, Level, merge, variance
from hvae.models.conditioning import LAST, Place
from hvae.models.recurrent import Recurrent
from hvae.nn import Shape, Start
from hvae.nn.mlp import near_one
from hvae.nn.readers import ReadBackward, ReadBoth, ReadForward
from hvae.nn.recurrence import NoInput, Without, over_time, skip
from hvae.nn.steps import Centred
from hvae.nn.transition import Average, GatedTransition
from hvae.zoo.flows import Channels, flows
from hvae.zoo.parts import conditioning
from hvae.zoo.sequences import embedding, leaving, limits_of, step_head, step_of


class Keep(nn.Module):
    """The latents of the step before are all that a step knows."""

    def forward(self, m: Tensor, c: Tensor) -> Tensor:
        return m


class Twice(nn.Module):
    """z_t for q and z_t for p: only the learned z_0 is not the same for both."""

    def forward(self, s: Tensor, z: Tensor) -> Tensor:
        return torch.cat([z, z], 1)


def build(config: DMMConfig, shape: Shape, bits: int) -> Recurrent:
    """A gated transition, a likelihood of z_t alone, and a reader of the data as they are."""
    step = step_of(config, shape)
    head, positive, z = step_head(config, step, bits), variance(config.variance), config.latent
    width = math.prod(step) if step else config.width
    readers = 2 if config.reader == "both" else 1
    of_p = Without(z, 2 * z)  # what q leaves out of [z for q, z for p, e]
    networks = {
        "message": lambda: _linear(readers * config.state, z),
        "joint": lambda: nn.Sequential(of_p, Average(z, config.state), _linear(config.state, z)),
        "linear": lambda: nn.Sequential(of_p, _linear(z + readers * config.state, z)),
    }
    return Recurrent(
        shape,
        limits=limits_of(config, step, bits),
        embed=nn.Sequential(Centred(step), nn.Flatten()) if step else embedding(config, step, width, 0),
        past=NoInput(),
        past_width=0,
        reader=_reader(config, width),
        first=Start((2 * z,)),
        enter=Keep(),
        level=Level(
            "z",
            prior=LearnedPrior(nn.Sequential(skip(z), GatedTransition(z, config.transition)), positive),
            posterior=merge(config.posterior, positive, networks),
            absorb=Twice(),
        ),
        leave=nn.Sequential(skip(z), *leaving(z, config.width, config.layers, head)),
        head=head,
        truncate=config.truncate,
        flows=flows(config.flow, {"z": Channels(z, readers * config.state)}),
        condition=conditioning(
            config.condition,
            {"z": Place(state=2 * z, evidence=readers * config.state, value=z), LAST: Place(state=2 * z)},
        ),
    )


def _linear(inputs: int, dims: int) -> nn.Linear:
    return near_one(nn.Linear(inputs, 2 * dims))


def _reader(config: DMMConfig, width: int) -> nn.Module:
    learned = None if config.cell == "lstm" else config.state
    right = ReadBackward(over_time(config.cell, width, config.state), learned, config.truncate)
    if config.reader == "right":
        return right
    return ReadBoth(ReadForward(over_time(config.cell, width, config.state), config.truncate), right)
