"""A level of twins: what reads the state before it moves, and what after."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvae.levels import TwinLevel
from hvae.levels.twin import Summed
from hvae.site import Site


class Told(nn.Module):
    """Raw numbers told in advance, and a note of what was read."""

    def __init__(self, generative: tuple[Tensor, Tensor], inferred: Tensor) -> None:
        super().__init__()
        self.generative, self.inferred, self.read = generative, inferred, list[tuple[Tensor, ...]]()

    def forward(self, *args: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor | None]:
        self.read.append(args)
        return args[0], self.generative, self.inferred if len(args) == 2 else None


class Bounded(nn.Module):
    """The hyperbolic tangent of a sum."""

    def forward(self, h: Tensor, *steps: Tensor) -> Tensor:
        return torch.tanh(sum(steps, h))


def test_the_posterior_reads_the_state_before_it_moves() -> None:
    h, e, step, z = (torch.randn(2, c, 1, 1) for c in (3, 5, 3, 2))
    raw, q_raw = torch.randn(2, 4, 1, 1), torch.randn(2, 4, 1, 1)
    twin, inject = Told((raw, step), q_raw), nn.Conv2d(2, 3, 1)
    level = TwinLevel(
        "z4", enter=nn.Identity(), twin=twin, inject=inject, skip=Summed(), block=Bounded(), positive=torch.exp
    )
    sites: list[Site] = []

    def visit(site: Site) -> Tensor:
        sites.append(site)
        return z

    torch.testing.assert_close(level(h, e, visit), torch.tanh(h + step + inject(z)))
    assert twin.read[0][0] is h and twin.read[0][1] is e
    (site,) = sites
    assert site.name == "z4" and "z4" in repr(level)
    torch.testing.assert_close(site.p.loc, raw[:, :2])
    torch.testing.assert_close(site.p.scale, raw[:, 2:].exp())
    torch.testing.assert_close(site.q.loc, q_raw[:, :2])
    level(h, None, visit)
    assert sites[1].q is None and len(twin.read[1]) == 1
