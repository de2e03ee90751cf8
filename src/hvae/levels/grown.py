r"""A level on top of a model that is trained already: nothing at first, and more with every step of its training.

$$q(z \mid x) = N\big(\mu_p + a\,\Delta\mu(e),\; (\sigma_p\,e^{a\,\Delta\log\sigma(e)})^2\big), \qquad
  h \leftarrow h + a\,v(z), \qquad a = \min(1, \text{age} / \text{steps})$$

At fade a = 0 the posterior is the prior, its KL is exactly 0, and the state that the levels below read is the one they
had: whatever values these take, every number of the walk is the old one to the last bit.  Fading in as in Li et al.
2020, arXiv 2002.10549, sec. 3.2 (there from the top down); the residual posterior of Vahdat and Kautz 2020, arXiv
2007.03898, sec. 3.2.

Shapes: `B` batch; `H` state; `E` evidence; `D` latent channels; `...` space, if any.
"""

from __future__ import annotations

from torch import Tensor, nn

from hvae.distributions import Normal
from hvae.levels.fading import Fading
from hvae.levels.scale import gaussian, softclamp
from hvae.nn.begin import silent
from hvae.site import Site, Visit


class LiftedPrior(nn.Module):
    """p(z given h) = N(mu(h), sigma(h)^2), a standard normal to the last bit until what is grown above it is trained.

    The network, h -> 2 D raw numbers, starts at zero.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = silent(network)

    def forward(self, h: Tensor) -> tuple[Normal, Tensor]:
        return gaussian(self.network(h), softclamp), h


class GrownLevel(Fading):
    """One visit of a latent that was added on top of a trained model.

    Arguments: `name`, the identity of the variable; `prior`, h -> (p, h); `infer`, e -> 2 D raw numbers; `inject`,
    z -> the step v(z) of the state; `steps`, over how many steps of training it fades in (0: it is there at once).
    """

    def __init__(self, name: str, *, prior: nn.Module, infer: nn.Module, inject: nn.Module, steps: int) -> None:
        super().__init__(name, steps)
        self.prior, self.infer, self.inject = prior, infer, inject

    def forward(self, h: Tensor, e: Tensor | None, visit: Visit) -> Tensor:
        p, h = self.prior(h)
        q = None if e is None else self.near(p, self.infer(e))
        return h + self.fade * self.inject(visit(Site(self.name, p, q)))
