"""A level whose prior and posterior read the same state, and share what they compute of it.

Shapes: `B` batch; `W` state channels; `D` latent channels; `h w` space.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from hvae.levels.scale import Positive, gaussian
from hvae.nn.bottleneck import Pointwise, Step
from hvae.site import Site, Visit


class Skip(nn.Module, ABC):
    """How a latent z joins the state h that skips it, by the layer `inject`: the state, and its steps to come."""

    @abstractmethod
    def forward(self, h: Tensor, z: Tensor, inject: nn.Module) -> tuple[Tensor | Step, ...]:
        """(B, W, h w), (B, D, h w) -> (B, W, h w) and its steps."""


class Summed(Skip):
    """h + v(z)."""

    def forward(self, h: Tensor, z: Tensor, inject: nn.Module) -> tuple[Tensor | Step, ...]:
        return h, inject(z)


class Concatenated(Skip):
    """h + v([h, z])."""

    def forward(self, h: Tensor, z: Tensor, inject: nn.Module) -> tuple[Tensor | Step, ...]:
        return h, inject(torch.cat([h, z], 1))


class Gated(Skip):
    r"""$h + \sigma(g(h)) \odot v(z)$, as `hvae.levels.Gate`; `gain`, that of the gate's first weights."""

    def __init__(self, width: int, gain: float) -> None:
        super().__init__()
        self.gate = Pointwise(width, width, gain=gain)

    def forward(self, h: Tensor, z: Tensor, inject: nn.Module) -> tuple[Tensor | Step, ...]:
        step: Step = inject(z)
        return (h + torch.sigmoid(self.gate(h)) * step.value(),)


class TwinLevel(nn.Module):
    r"""One visit of one latent; the prior's network also moves the state, but only after the posterior has read it.

    $$[p, r] = f(h), \qquad q = f'([h, e]), \qquad h \leftarrow b\big(h + r + v(z)\big)$$

    Child 2021, arXiv 2011.10650, fig. 3.  (`Level` with a `SplitPrior` hands h + r to its posterior instead.)

    Arguments: `name`, the identity of the variable; `enter`, h -> h, first of all; `twin`, (h, e) -> (h, (2 D raw
    numbers of p, the step r), 2 D raw numbers of q), or of h alone the same with None for the last; `inject`, z -> the
    step v(z); `skip`, (h, z, inject) -> (h, steps), how a latent joins the state that skips it; `block`, (h, r, v(z))
    -> h, last: it adds the steps itself, since they may be products that wait for their sum; `positive`, how scales
    become positive.
    """

    def __init__(
        self,
        name: str,
        *,
        enter: nn.Module,
        twin: nn.Module,
        inject: nn.Module,
        skip: nn.Module,
        block: nn.Module,
        positive: Positive,
    ) -> None:
        super().__init__()
        self.name, self.positive = name, positive
        self.enter, self.twin, self.inject, self.skip, self.block = enter, twin, inject, skip, block

    def forward(self, h: Tensor, e: Tensor | None, visit: Visit) -> Tensor:
        h = self.enter(h)
        h, (raw, step), inferred = self.twin(h) if e is None else self.twin(h, e)
        p = gaussian(raw, self.positive)
        q = None if inferred is None else gaussian(inferred, self.positive)
        h, *steps = self.skip(h, visit(Site(self.name, p, q)), self.inject)
        return self.block(h, step, *steps)

    def extra_repr(self) -> str:
        return self.name
