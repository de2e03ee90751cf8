"""A level: one latent variable of a top-down walk, made of exchangeable parts.

Shapes: `B` batch; `H` state; `E` evidence; `D` latent channels; `...` space, if any.
"""

from __future__ import annotations

from torch import Tensor, nn

from hvae.site import Site, Visit


class Level(nn.Module):
    """One visit of one latent: state in, state out.

    Arguments: `name`, the identity of the variable; `prior`, h -> (p, h); `posterior`, (h, e, p) -> q;
    `absorb`, (h, z) -> h; `enter`, h -> h, first of all (a change of resolution).  Any may be replaced alone.
    """

    def __init__(
        self, name: str, *, prior: nn.Module, posterior: nn.Module, absorb: nn.Module, enter: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.name = name
        self.enter = nn.Identity() if enter is None else enter
        self.prior, self.posterior, self.absorb = prior, posterior, absorb

    def forward(self, h: Tensor, e: Tensor | None, visit: Visit) -> Tensor:
        p, h = self.prior(self.enter(h))
        q = None if e is None else self.posterior(h, e, p)
        return self.absorb(h, visit(Site(self.name, p, q)))

    def extra_repr(self) -> str:
        return self.name
