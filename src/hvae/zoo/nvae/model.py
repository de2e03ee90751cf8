"""The walk of NVAE, one of its levels, and what it asks of the weights.

Shapes: `B` batch; `A` channels on the way up, `C` on the way down; `D` latent channels; `h w` space of a scale.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.datum import Datum
from hvae.distributions import Distribution, Flowed, full
from hvae.levels.scale import clamped_gaussian
from hvae.models.conditioning import Conditioning
from hvae.nn import Shape
from hvae.nn.folding import Chain
from hvae.nn.kernels import Convolution
from hvae.nn.masked import Shifts
from hvae.nn.spectral import Spectral
from hvae.range import UNIT
from hvae.site import Site, Visit
from hvae.walk import Evidence, Model


class Standard(nn.Module):
    """The raw parameters of the top prior, which are zero whatever the state: h -> (B, 2 D, h, w)."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, h: Tensor) -> Tensor:
        return h.new_zeros(h.shape[0], 2 * self.dims, *h.shape[2:])


class Posterior(nn.Module):
    r"""q from the feature e, the state h and the raw parameters r of the prior.

    $$q = \mathcal N\big(r + f(e + c(h))\big), \quad\text{or without } r;\qquad z = \mathrm{flow}(z_0),\ z_0 \sim q$$

    The sum is of raw parameters, before the soft clamp: sec. 3.2 and released code.  Arguments: `combine` c (None at
    the top, where h knows nothing); `read` f; `flow`, if there is one; `residual`, whether r counts.
    """

    def __init__(self, read: nn.Module, *, combine: nn.Module | None, flow: Shifts | None, residual: bool) -> None:
        super().__init__()
        self.read, self.combine, self.flow, self.residual = read, combine, flow, residual

    def forward(self, h: Tensor, e: Tensor, prior: Tensor) -> Distribution:
        raw = full(self.read(e if self.combine is None else e + self.combine(h)))  # (B, 2 D, h, w)
        base = clamped_gaussian(raw + prior if self.residual else raw)
        return base if self.flow is None else Flowed(base, self.flow, self.flow.inverse)


class Group(nn.Module):
    """One level: as `hvae.levels.Level`, but the posterior sees the prior's raw parameters.

    Arguments: `name`; `enter`, h -> h, the cells before; `prior`, h -> raw, (B, 2 D, h, w); `posterior`, (h, e, raw)
    -> q; `absorb`, (h, z) -> h.
    """

    def __init__(
        self, name: str, *, enter: nn.Module, prior: nn.Module, posterior: nn.Module, absorb: nn.Module
    ) -> None:
        super().__init__()
        self.name, self.enter, self.prior, self.posterior, self.absorb = name, enter, prior, posterior, absorb

    def forward(self, h: Tensor, e: Tensor | None, visit: Visit) -> Tensor:
        h = self.enter(h)
        raw = full(self.prior(h))
        q = None if e is None else self.posterior(h, e, raw)
        return self.absorb(h, visit(Site(self.name, clamped_gaussian(raw), q)))

    def extra_repr(self) -> str:
        return self.name


class NVAE(Model):
    """Features up, groups down, over an image that is padded to a multiple of `factor`.

    Arguments: `shape` of one datum; `factor`; `bottom_up`, x -> {level name: feature}; `start`, n -> first state;
    `groups`, top first; `leave`, last state -> raw likelihood parameters; `head`, raw -> distribution of x;
    `condition`, how a condition enters the groups.
    """

    limits = UNIT

    def __init__(
        self,
        shape: Shape,
        *,
        factor: int,
        bottom_up: nn.Module,
        start: nn.Module,
        groups: Sequence[Group],
        leave: nn.Module,
        head: nn.Module,
        condition: Conditioning,
    ) -> None:
        super().__init__()
        self.shape, self.margins = shape, margins(shape[1:], factor)
        self.bottom_up, self.start = bottom_up, start
        self.levels = nn.ModuleDict({group.name: group for group in groups})
        self.leave, self.head = leave, head
        self.condition, self.conditions = condition, condition.conditions
        # Plain lists: these modules are registered where they stand.
        self._convolutions = [m for m in self.modules() if isinstance(m, Convolution)]
        layers = [m for chain in self.modules() if isinstance(chain, Chain) for m in chain.children()]
        self._norms = [m for m in layers if isinstance(m, nn.BatchNorm2d | nn.GroupNorm)]
        self.spectral = Spectral([(len(c.weight), c.weight[0].numel()) for c in self._convolutions])

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {**self.bottom_up(self._framed(datum.x, 1)), **self.condition.features(datum)}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        entry = self.condition(visit, evidence)
        h = self.start(evidence.n)  # (n, C, h, w)
        for name, group in self.levels.items():
            h = group(entry.state(name, h), entry.evidence(name, evidence.feature(name)), entry)
        return visit(evidence.site(self.head(self._framed(self.leave(h), -1))))

    def prepare(self, datum: Datum) -> None:
        self.condition.prepare(datum)

    def regularisers(self) -> dict[str, Tensor]:
        r"""The sum of all largest singular values, and of each cell's norms' largest $|\gamma|$; sec. 3.2."""
        scales = [norm.weight.abs().max() for norm in self._norms]
        return {
            "spectral": self.spectral([convolution.factors() for convolution in self._convolutions]),
            "batchnorm": torch.stack(scales).sum(),
        }

    def _framed(self, image: Tensor, sign: int) -> Tensor:
        """With the margins (sign 1), or without them again (sign -1)."""
        return F.pad(image, [sign * margin for margin in self.margins]) if any(self.margins) else image


def margins(size: Sequence[int], factor: int) -> list[int]:
    """Zeros left, right, above and below that make height and width multiples of `factor`; the odd one comes last.

    >>> margins((28, 32), 8), margins((5, 6), 4)
    ([0, 0, 2, 2], [1, 1, 1, 2])
    """
    lacking = [-side % factor for side in reversed(size)]
    return [margin for n in lacking for margin in (n // 2, n - n // 2)]
