"""How a level's value enters the state: (h, z) -> h.

Shapes: `B` batch; `H` state channels; `D` latent channels; `...` space, if any.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Replace(nn.Module):
    """h = f(z): the state is the latent's alone, so that the generative model is a Markov chain (LVAE)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        return self.network(z)


class Raise(nn.Module):
    """h = f(v(z) + h): what `Replace` computes of z, moved by the state of what was grown above it.

    Its weights have the names of those of a `Replace` whose network is [v, f].
    """

    def __init__(self, network: nn.Sequential) -> None:
        super().__init__()
        self.network = network

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        inject, rest = self.network
        return rest(inject(z) + h)


class Join(nn.Module):
    """h = f([h, v(z)]): concatenation.  VLAE, arXiv 1702.08396, sec. 4.1."""

    def __init__(self, inject: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.inject, self.network = inject, network

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        return self.network(torch.cat([h, self.inject(z)], 1))


class Add(nn.Module):
    """h = f(h + v(z)): a running sum.  VDVAE, arXiv 2011.10650, fig. 3."""

    def __init__(self, inject: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.inject, self.network = inject, network

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        return self.network(h + self.inject(z))


class Gate(nn.Module):
    r"""$h = f(h + \sigma(g(h)) v(z))$: the state says how much of each channel of a latent it takes in.

    The gate of Srivastava et al. 2015, arXiv 1505.00387, eq. (3), on the latent alone: the state passes as it is.
    """

    def __init__(self, inject: nn.Module, gate: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.inject, self.gate, self.network = inject, gate, network

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        return self.network(h + torch.sigmoid(self.gate(h)) * self.inject(z))
