"""A level whose prior and posterior read the same state, and share what they compute of it.

Shapes: `B` batch; `W` state channels; `D` latent channels; `h w` space.
"""

from __future__ import annotations

from torch import Tensor, nn

from hvae.levels.scale import Positive, gaussian
from hvae.site import Site, Visit


class TwinLevel(nn.Module):
    r"""One visit of one latent; the prior's network also moves the state, but only after the posterior has read it.

    $$[p, r] = f(h), \qquad q = f'([h, e]), \qquad h \leftarrow b\big(h + r + v(z)\big)$$

    Child 2021, arXiv 2011.10650, fig. 3.  (`Level` with a `SplitPrior` hands h + r to its posterior instead.)

    Arguments: `name`, the identity of the variable; `enter`, h -> h, first of all; `twin`, (h, e) -> ((2 D raw numbers
    of p, the step r), 2 D raw numbers of q), or of h alone the first pair and None; `inject`, z -> the step v(z);
    `block`, (h, r, v(z)) -> h, last: it adds the steps itself, since they may be products that wait for their sum;
    `positive`, how scales become positive.
    """

    def __init__(
        self,
        name: str,
        *,
        enter: nn.Module,
        twin: nn.Module,
        inject: nn.Module,
        block: nn.Module,
        positive: Positive,
    ) -> None:
        super().__init__()
        self.name, self.positive = name, positive
        self.enter, self.twin, self.inject, self.block = enter, twin, inject, block

    def forward(self, h: Tensor, e: Tensor | None, visit: Visit) -> Tensor:
        h = self.enter(h)
        (raw, step), inferred = self.twin(h) if e is None else self.twin(h, e)
        p = gaussian(raw, self.positive)
        q = None if inferred is None else gaussian(inferred, self.positive)
        return self.block(h, step, self.inject(visit(Site(self.name, p, q))))

    def extra_repr(self) -> str:
        return self.name
