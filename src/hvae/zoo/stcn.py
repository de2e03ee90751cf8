"""The stochastic temporal convolutional network: a ladder of latents at each step above dilated causal convolutions.

    d^l_t = features of x_1 .. x_t of the l-th group of layers                     Aksan and Hilliges 2019, arXiv
    p(z^l_t | z^{l+1}_t, d^l_{t-1}) = N(mu_p, sigma_p^2)                           1902.06568, sec. 3
    q(z^l_t | z^{l+1}_t, d^l_t) = N(mu_q, sigma_q^2), N(mu_hat, sigma_hat^2) of both merged with the prior by precision
    p(x_t | z^1_t, .., z^L_t)         (`dense`; without it p(x_t | z^1_t), the paper's plain STCN)

Level l hears the further back the higher it is: its group stands on those below it.  No datum enters the likelihood but
through latents, and no latent enters another step but through data.

A condition y enters what p and q of a level read, and z^l on its way down and to the likelihood.

Differences from the paper: the layers of all groups have one width, and h_t goes from group to group without skips.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvae.config.sequences import STCNConfig
from hvae.levels import Level, Replace
from hvae.models.causal import CausalLadder
from hvae.models.conditioning import LAST, Place
from hvae.nn import Shape
from hvae.nn.dilated import CausalGroups
from hvae.zoo.parts import conditioning
from hvae.zoo.sequences import embedding, latent, leaving, limits_of, step_head, step_of


class Nearest(nn.Module):
    """z^1 alone."""

    def forward(self, latents: list[Tensor]) -> Tensor:
        return latents[-1]


class Every(nn.Module):
    """[z^L, .., z^1]."""

    def forward(self, latents: list[Tensor]) -> Tensor:
        return torch.cat(latents, 1)


def build(config: STCNConfig, shape: Shape, bits: int) -> CausalLadder:
    """Groups of causal convolutions, a level above each, and a likelihood of the latents of a step."""
    step = step_of(config, shape)
    head, count, width = step_head(config, step, bits), len(config.latents), config.width
    dims = sum(config.latents) if config.dense else config.latents[0]
    return CausalLadder(
        shape,
        limits=limits_of(config, step, bits),
        embed=embedding(config, step, width, config.layers),
        past=CausalGroups(width, width, groups=count, kernel=config.kernel, dilations=config.dilations),
        width=width,
        levels=[_level(config, l) for l in reversed(range(count))],
        gather=Every() if config.dense else Nearest(),
        leave=leaving(dims, width, config.layers, head),
        head=head,
        condition=conditioning(config.condition, _places(config, dims)),
    )


def _inputs(config: STCNConfig, l: int) -> int:
    """How many numbers level l, counted from 0, the lowest, reads: its features, and the latent above."""
    return config.width + (config.latents[l + 1] if l + 1 < len(config.latents) else 0)


def _places(config: STCNConfig, dims: int) -> dict[str, Place]:
    """What prior and posterior read, and each latent on its way down; `dims`, how many of them the data see."""
    levels = {
        f"z{l + 1}": Place(state=_inputs(config, l), evidence=_inputs(config, l), value=config.latents[l])
        for l in reversed(range(len(config.latents)))
    }
    return {**levels, LAST: Place(state=dims)}


def _level(config: STCNConfig, l: int) -> Level:
    """Level l, counted from 0, the lowest."""
    inputs = _inputs(config, l)
    return latent(config, l, state=inputs, evidence=inputs, absorb=Replace(nn.Identity()), layers=config.layers)
