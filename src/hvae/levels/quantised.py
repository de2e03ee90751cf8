"""Parts of a level whose latent will be rounded and written into a file: see `hvae.distributions.quantised`.

Shapes: `B` batch; `H` state; `E` evidence; `D` latent channels; `...` space.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvae.distributions import full
from hvae.distributions.quantised import BlurredNormal, Uniform

LEAST = 0.2
"""The smallest scale of a prior, in bins: there the middle bin holds 98.8 % of the mass.  A narrower prior makes values
that are always rounded to it cheaper, and those just outside it dearer: in short trainings rounding then costs more
than the noise did.  (QRes-VAE's released code, trained for two million steps, stops at e^-2.3 = 0.1.)"""


class Blurred(nn.Module):
    """Any Gaussian prior, h -> (p, h), with unit noise upon it and its scale at least LEAST."""

    def __init__(self, prior: nn.Module) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, h: Tensor) -> tuple[BlurredNormal, Tensor]:
        p, h = self.prior(h)
        return BlurredNormal(p.loc, p.scale + LEAST), h


class Noisy(nn.Module):
    """q(z given [h, e]): one bin around what a network of both says, (B, H + E, ...) -> (B, D, ...)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, h: Tensor, e: Tensor, p: BlurredNormal) -> Uniform:
        return Uniform(full(self.network(torch.cat([h, e], 1))), p.width)
