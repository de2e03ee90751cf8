"""A variational recurrent network over the rows of an image, as one's own; Chung et al. 2015, arXiv 1506.02216.

p(x, z) = prod_t p(z_t | h_t) p(x_t | z_t, h_t),  q(z_t | x_t, h_t),  h_{t+1} = GRU([x_t, z_t], h_t)

    python examples/own/vrnn.py [--steps 300] [--out runs/own-vrnn]
"""

from __future__ import annotations

import torch
from demo import demo
from torch import Tensor, nn

from hvae import Datum, Evidence, Model, Site, Trace
from hvae.distributions import Bernoulli, Normal
from hvae.site import Visit


class VRNN(Model):
    """Every row of a binary image (C, H, W) is a step with a latent of its own."""

    def __init__(self, shape: tuple[int, ...], dims: int = 6, hidden: int = 48) -> None:
        super().__init__()
        self.shape, self.row, self.hidden = tuple(shape), (shape[0], shape[2]), hidden
        width = shape[0] * shape[2]
        self.p, self.q = nn.Linear(hidden, 2 * dims), nn.Linear(hidden + width, 2 * dims)
        self.out = nn.Sequential(nn.Linear(hidden + dims, hidden), nn.SiLU(), nn.Linear(hidden, width))
        self.cell = nn.GRUCell(width + dims, hidden)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        h, rows = self.p.weight.new_zeros(evidence.n, self.hidden), []
        for t in range(self.shape[1]):
            x = None if evidence.x is None else evidence.x[:, :, t]
            q = None if x is None else gaussian(self.q(torch.cat([h, x.flatten(1)], 1)))
            z = visit(Site("z", gaussian(self.p(h)), q, step=t))
            logits = self.out(torch.cat([h, z], 1)).unflatten(1, self.row)
            x = visit(Site("x", Bernoulli(logits), value=x, step=t, data=True))
            h = self.cell(torch.cat([x.flatten(1), z], 1), h)
            rows.append(x)
        return torch.stack(rows, 2)

    def picture(self, trace: Trace) -> Tensor:
        return torch.stack([record.law.mean() for record in trace.observed], 2)


def gaussian(raw: Tensor) -> Normal:
    loc, log_scale = raw.chunk(2, 1)
    return Normal(loc, log_scale.clamp(-5, 3).exp())


if __name__ == "__main__":
    demo(VRNN((1, 8, 8)), "own-vrnn")
