r"""Networks of the deep Markov model: a gated transition, and the average of what a latent and the data say.

Shapes: `B` batch; `D` latent; `H` hidden; `E` what the data say, one or more readers of H each.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GatedTransition(nn.Module):
    r"""Raw Gaussian parameters of z_t from z_{t-1}: a step that may stay linear, dimension by dimension.

    $$g = \sigma(W_2\, \mathrm{relu}(W_1 z)), \quad h = W_4\, \mathrm{relu}(W_3 z), \quad
      \mu = (1 - g) \odot W_\mu z + g \odot h, \quad s = W_s\, \mathrm{relu}(h)$$

    Krishnan, Shalit and Sontag 2017, arXiv 1609.09869, sec. 3.1: W_mu starts as the identity.
    """

    def __init__(self, dims: int, width: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(dims, width), nn.ReLU(), nn.Linear(width, dims), nn.Sigmoid())
        self.proposed = nn.Sequential(nn.Linear(dims, width), nn.ReLU(), nn.Linear(width, dims))
        self.kept, self.scale = nn.Linear(dims, dims), nn.Linear(dims, dims)
        nn.init.eye_(self.kept.weight)
        nn.init.zeros_(self.kept.bias)

    def forward(self, z: Tensor) -> Tensor:
        proposed = self.proposed(z)
        loc = torch.lerp(self.kept(z), proposed, self.gate(z))
        return torch.cat([loc, self.scale(F.relu(proposed))], 1)  # (B, 2 D)


class Average(nn.Module):
    r"""[z, e] -> the mean of tanh(W z) and of each reader's h in e.

    $$h = \tfrac12\big(\tanh(W z_{t-1} + b) + h^{right}_t\big), \qquad
      \tfrac13\big(\tanh(W z_{t-1} + b) + h^{left}_t + h^{right}_t\big)$$

    Krishnan, Shalit and Sontag 2017, arXiv 1609.09869, sec. 4: the combiner.
    """

    def __init__(self, dims: int, width: int) -> None:
        super().__init__()
        self.dims, self.width, self.network = dims, width, nn.Linear(dims, width)

    def forward(self, both: Tensor) -> Tensor:
        z, e = both[:, : self.dims], both[:, self.dims :]
        return torch.stack([self.network(z).tanh(), *e.split(self.width, 1)]).mean(0)
