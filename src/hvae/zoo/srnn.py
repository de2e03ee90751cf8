"""The stochastic recurrent network: a chain of latents above a deterministic recurrence, inferred backwards in time.

    d_t = f(d_{t-1}, u_t),  u_t = phi(x_{t-1})                        Fraccaro et al. 2016, arXiv 1605.07571, sec. 2.2
    p(z_t | z_{t-1}, d_t) = N(mu_p, sigma_p^2),   p(x_t | z_t, d_t)
    a_t = f'(a_{t+1}, [phi(x_t), d_t]),   q(z_t | z_{t-1}, a_t) = N(mu_q, sigma_q^2)                          sec. 3.1
    mu_q = mu_p + NN(z_{t-1}, a_t)                                                                            sec. 3.2

No latent enters d, so that d and a run over all steps at once; d_1 = 0.  `posterior` exchanges the last line.

`timing` released: d_t = f(d_{t-1}, phi(x_{t-2})), as the authors of a benchmark (Havtorn et al. 2022) have it in their
code, where the inputs are moved by one step twice: the prior of a step then knows nothing of the step right before it
but through z_{t-1}, and the numbers are worse.

A condition y enters d_t as p, q and the likelihood read it, and a_t; d and a themselves are functions of the data.

Differences from the paper: no dropout and no clipped rectifiers; sizes are those of small data.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvae.config.sequences import SRNNConfig
from hvae.levels import LearnedPrior, Level, merge, variance
from hvae.models.conditioning import LAST, Place
from hvae.models.recurrent import Recurrent
from hvae.nn import Constant, Shape
from hvae.nn.readers import ReadBackward
from hvae.nn.recurrence import OneLater, over_time, skip
from hvae.zoo.parts import conditioning
from hvae.zoo.sequences import embedding, lags_of, leaving, limits_of, step_head, step_of, to_gaussian


class Renew(nn.Module):
    """[d_{t-1}, z_{t-1}] and d_t -> [d_t, z_{t-1}]."""

    def forward(self, m: Tensor, c: Tensor) -> Tensor:
        return torch.cat([c, m[:, c.shape[1] :]], 1)


class Exchange(nn.Module):
    """[d_t, z_{t-1}] and z_t -> [d_t, z_t]."""

    def forward(self, s: Tensor, z: Tensor) -> Tensor:
        return torch.cat([s[:, : -z.shape[1]], z], 1)


def build(config: SRNNConfig, shape: Shape, bits: int) -> Recurrent:
    """Two recurrences over the data, one forward and one backward, and a level between them."""
    step = step_of(config, shape)
    head, positive = step_head(config, step, bits), variance(config.variance)
    d, z, width, layers = config.state, config.latent, config.width, config.layers
    networks = {
        "message": lambda: to_gaussian(d, width, layers, z),
        "joint": lambda: nn.Sequential(skip(d), *to_gaussian(z + d, width, layers, z)),
        "linear": lambda: nn.Sequential(skip(d), *to_gaussian(z + d, width, 0, z)),
    }
    return Recurrent(
        shape,
        limits=limits_of(config, step, bits),
        embed=embedding(config, step, width, layers),
        past=_past(config),
        past_width=d,
        reader=ReadBackward(over_time(config.cell, width + d, d), truncate=config.truncate),
        first=Constant((d + z,)),
        enter=Renew(),
        level=Level(
            "z",
            prior=LearnedPrior(to_gaussian(d + z, width, layers, z), positive),
            posterior=merge(config.posterior, positive, networks),
            absorb=Exchange(),
        ),
        leave=leaving(d + z, width, layers, head),
        head=head,
        truncate=config.truncate,
        lags=lags_of(config, head),
        condition=conditioning(config.condition, {"z": Place(past=d, evidence=d), LAST: Place(state=d + z)}),
    )


def _past(config: SRNNConfig) -> nn.Module:
    network = over_time(config.cell, config.width, config.state)
    return OneLater(network) if config.timing == "released" else network
