r"""A level below a model that is trained already, at a finer scale: nothing at first, then what the old ones left out.

$$[p, r] = \mathrm{prior}(h), \quad h \leftarrow h + r + v(z), \quad h \leftarrow h + f(h), \qquad
  \theta \leftarrow \theta + a\,g(h)$$

h is a state of its own, which begins as a map of the old model's last one; theta are the raw parameters of the old
likelihood.  At fade a = 0 the posterior is the prior, its KL is exactly 0 and theta the old one to the last bit.  Fades
in as in Li et al. 2020, arXiv 2002.10549, sec. 3.2, there from the top down; a network for a finer scale that fades in
beside a trained one: Karras et al. 2018, arXiv 1710.10196, fig. 2.

Shapes: `B` batch; `H` state and evidence; `...` space; theta is (B, parameters, the data's space).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvae.levels.fading import Fading
from hvae.site import Site, Visit


class FinerLevel(Fading):
    """One visit of a latent that was added below a trained model.

    Arguments: `name`, the identity of the variable; `enter`, h -> h, first of all (a change of resolution); `prior`,
    h -> (p, h); `infer`, [h, e] -> 2 D raw numbers; `absorb`, (h, z) -> h; `leave`, h -> a step of theta; `steps`,
    over how many steps of training it fades in (0: it is there at once).
    """

    def __init__(
        self,
        name: str,
        *,
        enter: nn.Module,
        prior: nn.Module,
        infer: nn.Module,
        absorb: nn.Module,
        leave: nn.Module,
        steps: int,
    ) -> None:
        super().__init__(name, steps)
        self.enter, self.prior, self.infer, self.absorb, self.leave = enter, prior, infer, absorb, leave

    def forward(self, h: Tensor, theta: Tensor, e: Tensor | None, visit: Visit) -> tuple[Tensor, Tensor]:
        p, h = self.prior(self.enter(h))
        q = None if e is None else self.near(p, self.infer(torch.cat([h, e], 1)))
        h = self.absorb(h, visit(Site(self.name, p, q)))
        return h, theta + self.fade * self.leave(h)
