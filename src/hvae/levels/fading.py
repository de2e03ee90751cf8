r"""What all levels share that are added to a trained model: they fade in, and their posterior is the prior at first.

$$q = N\big(\mu_p + a\,\Delta\mu,\; (\sigma_p\,e^{a\,\Delta\log\sigma})^2\big), \qquad
  a = \min(1, \text{age} / \text{steps})$$

Shapes: `B` batch; `D` latent channels; `...` space, if any.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvae.distributions import Normal
from hvae.levels.scale import gaussian, softclamp


class Fading(nn.Module):
    """A level with an age, in steps of training, and a weight a that grows with it.

    Arguments: `name`, the identity of the variable; `steps`, how old it is when it is wholly there (0: at once).
    """

    age: Tensor

    def __init__(self, name: str, steps: int) -> None:
        super().__init__()
        self.name, self.steps = name, steps
        # A whole number, which the running average of the weights copies instead of averaging.
        self.register_buffer("age", torch.zeros((), dtype=torch.int64))

    @property
    def fade(self) -> Tensor:
        """a, in [0, 1]: how much of the level there is."""
        return (self.age / self.steps).clamp(max=1.0) if self.steps else torch.ones_like(self.age, dtype=torch.float32)

    def near(self, p: Normal, raw: Tensor) -> Normal:
        """q, as far from p as 2 D `raw` numbers and the age say: (B, 2 D, ...) -> a law of (B, D, ...)."""
        delta = gaussian(self.fade * raw, softclamp)
        return Normal(p.loc + delta.loc, p.scale * delta.scale)

    def grow_older(self) -> None:
        """One more step of training was taken."""
        self.age += 1

    def extra_repr(self) -> str:
        return f"{self.name}, fades in over {self.steps:,} steps"
