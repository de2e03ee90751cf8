"""The variational recurrent network, VRNN-I, and STORN: a latent a step inside a recurrent state.

    p(z_t | h_{t-1}) = N(mu_p(h_{t-1}), sigma_p(h_{t-1})^2)           Chung et al. 2015, arXiv 1506.02216, eq. (5)-(9)
    p(x_t | z_t, h_{t-1})
    h_t = f(phi_x(x_t), phi_z(z_t), h_{t-1})
    q(z_t | x_t, h_{t-1}) = N(mu_q, sigma_q^2) of [h_{t-1}, phi_x(x_t)]

VRNN-I (`prior` standard): p(z_t) = N(0, I), sec. 4 there.

STORN (`recurrence` storn, `prior` standard):          Bayer and Osendorfer 2014, arXiv 1411.7610, sec. 3
    p(z_t) = N(0, I),   h_t = f(phi_x(x_{t-1}), phi_z(z_t), h_{t-1}),   p(x_t | h_t)
    q(z_t | x_{1:t}) = N(mu, sigma^2) of r_t,   r_t = f'(phi_x(x_t), r_{t-1})

A condition y enters phi_x(x_{t-1}) on its way into the state, and phi_x(x_t) (of STORN r_t) as q reads it.

Differences from the papers: h_0 is what the cell makes of zeros; the mean of q is the prior's plus what the network
says (`posterior` concat: the papers'), without which latents sleep for longer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvae.config.sequences import VRNNConfig
from hvae.levels import DataOnly, Join, LearnedPrior, Level, StandardPrior, merge, variance
from hvae.models.conditioning import LAST, Place
from hvae.models.recurrent import Recurrent
from hvae.nn import Constant, Shape
from hvae.nn.readers import ReadForward, ReadNow
from hvae.nn.recurrence import After, LastInput, memory_size, over_time, skip, step_cell
from hvae.zoo.parts import conditioning
from hvae.zoo.sequences import embedding, hidden, lags_of, leaving, limits_of, step_head, step_of, to_gaussian


class Beside(nn.Module):
    """[state, c]: the state waits for the latent; what the step before was stands beside it."""

    def forward(self, m: Tensor, c: Tensor) -> Tensor:
        return torch.cat([m, c], 1)


class Before(nn.Module):
    """h = f([c, phi_z], h): the state takes in the latent of a step before its data; [state, c] and z -> state."""

    def __init__(self, inject: nn.Module, cell: nn.Module, size: int) -> None:
        super().__init__()
        self.inject, self.cell, self.size = inject, cell, size

    def forward(self, s: Tensor, z: Tensor) -> Tensor:
        state: Tensor = self.cell(torch.cat([s[:, self.size :], self.inject(z)], 1), s[:, : self.size])
        return state


def build(config: VRNNConfig, shape: Shape, bits: int) -> Recurrent:
    """A VRNN or a STORN, with a learned or a standard prior."""
    step = step_of(config, shape)
    head = step_head(config, step, bits)
    memory, width = memory_size(config.cell, config.state), config.width
    size = memory + config.state
    storn = config.recurrence == "storn"
    cell = step_cell(config.cell, 2 * width, config.state)
    inject = nn.Sequential(*hidden(config.latent, width, 1))
    inputs = config.state + (width if storn else 0)  # what a prior sees of the state
    return Recurrent(
        shape,
        limits=limits_of(config, step, bits),
        embed=embedding(config, step, width, config.layers),
        past=LastInput(),
        past_width=width,
        reader=ReadForward(over_time(config.cell, width, config.state), config.truncate) if storn else ReadNow(),
        first=Constant((size if storn else size + width,)),
        enter=Beside() if storn else After(cell, size),
        level=Level(
            "z",
            prior=_prior(config, memory, inputs),
            posterior=_filter(config) if storn else _posterior(config, memory),
            absorb=Before(inject, cell, size) if storn else Join(inject, nn.Identity()),
        ),
        leave=nn.Sequential(
            skip(memory), *leaving(config.state if storn else config.state + width, width, config.layers, head)
        ),
        head=head,
        truncate=config.truncate,
        lags=lags_of(config, head),
        condition=conditioning(config.condition, _places(config, size, storn=storn)),
    )


def _places(config: VRNNConfig, size: int, *, storn: bool) -> dict[str, Place]:
    """What a step hears of the one before, what inference reads of it, and the state that its likelihood reads."""
    evidence, state = (config.state, size) if storn else (config.width, size + config.width)
    return {"z": Place(past=config.width, evidence=evidence), LAST: Place(state=state)}


def _prior(config: VRNNConfig, memory: int, inputs: int) -> nn.Module:
    if config.prior == "standard":
        return StandardPrior((config.latent,))
    network = nn.Sequential(skip(memory), *to_gaussian(inputs, config.width, 1, config.latent))
    return LearnedPrior(network, variance(config.variance))


def _filter(config: VRNNConfig) -> DataOnly:
    """q(z_t | x_{1:t}), of a recurrence that the generative state does not enter."""
    return DataOnly(to_gaussian(config.state, config.width, config.layers, config.latent), variance(config.variance))


def _posterior(config: VRNNConfig, memory: int) -> nn.Module:
    """q(z_t | x_t, h_{t-1})."""
    both = config.state + config.width
    networks = {
        "message": lambda: to_gaussian(config.width, config.width, config.layers, config.latent),
        "joint": lambda: nn.Sequential(skip(memory), *to_gaussian(both, config.width, config.layers, config.latent)),
        "linear": lambda: nn.Sequential(skip(memory), *to_gaussian(both, config.width, 0, config.latent)),
    }
    return merge(config.posterior, variance(config.variance), networks)
