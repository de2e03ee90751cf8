r"""Invertible networks over the channels of a latent, by the library zuko: what a normalising flow learns.

$$z'_i = t(z_i;\ \theta_i), \qquad \theta_i = f(z_{<i}, c), \qquad
  \log\Big|\det\frac{\partial z'}{\partial z}\Big| = \sum_i \log\frac{\partial z'_i}{\partial z_i}$$

Autoregressive maps take the channels one by one (Kingma et al. 2016, arXiv 1606.04934; Papamakarios et al. 2017, arXiv
1705.07057), coupling maps in two halves (Dinh et al. 2016, arXiv 1605.08803).  t is affine, e^a z + b with a in
[-6.9, 6.9], or a monotone rational-quadratic spline on [-5, 5] (Durkan et al. 2019, arXiv 1906.04032).  Maps in a row
alternate in order.  Over maps (D, h, w) the same network acts at every place: the weights are those of any size.

Shapes: `B` batch; `D` latent channels; `C` context channels; `...` space, if any.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from hvae.capacity import check_memory
from hvae.errors import missing_extra

QUIET = 0.1
"""What the last layer of each network starts at of its usual size: a flow starts near the identity."""
_COUPLED = 2
_BYTES = 5
"""Of a weight and its mask."""


class Invertible(nn.Module, ABC):
    """A map z -> z' of the channels of a latent, (B, D, ...), given a context (B, C, ...) or none.

    `passes`, how many networks `forward` runs, each of them after the one before.
    """

    passes: int = 1

    @abstractmethod
    def forward(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z' and the log-determinant of the map at z, element by element: both (B, D, ...)."""

    @abstractmethod
    def inverse(self, value: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The z that is mapped to a value, and the log-determinant of the map there: both (B, D, ...)."""


class Flow(Invertible):
    """Maps of zuko's in a row: one pass of each network forward, and as many as it has orders backward.

    >>> flow = Flow(zuko_maps("spline-coupling", 3, 2, transforms=2, hidden=(8,), bins=4))
    >>> z, c = torch.randn(4, 3, 5, 5), torch.randn(4, 2, 5, 5)
    >>> torch.allclose(flow.inverse(flow(z, c)[0], c)[0], z, atol=1e-5)
    True
    """

    def __init__(self, maps: Iterable[nn.Module]) -> None:
        super().__init__()
        self.maps: Any = nn.ModuleList(maps)  # zuko's maps: given a context and a value, one of each channel
        self.passes = len(self.maps)

    def forward(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return _over_channels(self._forward, z, context)

    def inverse(self, value: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return _over_channels(self._inverse, value, context)

    def _forward(self, z: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        total = torch.zeros_like(z)
        for each in self.maps:
            z, log_det = each.meta(c, z).base.call_and_ladj(z)
            total = total + log_det
        return z, total

    def _inverse(self, value: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        total = torch.zeros_like(value)
        for each in reversed(self.maps):
            z = torch.zeros_like(value)
            for _ in range(each.passes):  # each settles the channels whose earlier ones are settled
                z = each.meta(c, z).base.inv(value)
            total, value = total + each.meta(c, z).base.call_and_ladj(z)[1], z
        return value, total


class Inverted(Invertible):
    """A flow the other way round."""

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self.flow = flow
        self.passes = sum(each.passes for each in flow.maps)

    def forward(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        start, log_det = self.flow.inverse(z, context)
        return start, -log_det

    def inverse(self, value: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        image, log_det = self.flow(value, context)
        return image, -log_det


_Map = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]


def _over_channels(f: _Map, z: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
    """f of channels that lie last, in full precision: of rounded networks two directions would be no inverses."""
    kind = z.device.type if torch.amp.is_autocast_available(z.device.type) else "cpu"
    with torch.autocast(kind, enabled=False):
        c = None if context is None else _beside(z, context)
        image, log_det = f(z.movedim(1, -1), c)
    return image.movedim(-1, 1), log_det.movedim(-1, 1)


def _beside(z: Tensor, context: Tensor) -> Tensor:
    """The context at each place of z with its channels last; its mean over space where z is a vector."""
    return (context if context.ndim == z.ndim else context.flatten(2).mean(2)).movedim(1, -1).to(z.dtype)


class _Single(nn.Module):
    """A map of one channel, which has no earlier ones."""

    passes = 1

    def __init__(self, of_context: nn.Module) -> None:
        super().__init__()
        self.of_context = of_context

    def meta(self, c: Tensor | None, z: Tensor) -> Any:
        return self.of_context(c)


def zuko_maps(
    kind: str, channels: int, context: int, *, transforms: int, hidden: Sequence[int], bins: int
) -> list[nn.Module]:
    """The maps of zuko's that a kind names: affine or spline, autoregressive or (-coupling) in two halves.

    Raises HvaeError without the library, and for networks that do not fit into memory.
    """
    form, _, coupling = kind.partition("-")
    # The shift and the scale, or of B bins the widths, the heights, and the slopes between them.
    numbers = 2 if form == "affine" else 3 * bins - 1
    widths = [channels + context, *hidden, channels * numbers]
    size = _BYTES * transforms * sum(a * b for a, b in pairwise(widths))
    check_memory(size, "the networks of a flow", "set model.flow.hidden or model.flow.transforms lower")
    try:
        from zuko.flows import MAF, NSF
    except ImportError as fault:
        raise missing_extra("zuko", "flows") from fault
    passes, device = _COUPLED if coupling else None, torch.get_default_device()
    # Which weights there are is computed from numbers, which must exist.
    with torch.device("cpu"):
        kinds = {"affine": MAF, "spline": partial(NSF, bins=bins)}[form]
        maps = kinds(channels, context, transforms=transforms, passes=passes, hidden_features=hidden).transform
    _quiet(maps)
    return [each if channels > 1 else _Single(each) for each in maps.to(device).transforms]


@torch.no_grad()
def _quiet(maps: nn.Module) -> None:
    """Scale what each network says by `QUIET`: its last layer, or the numbers themselves that stand in for one."""
    for module in maps.modules():
        if isinstance(module, nn.ParameterList):
            last = list(module)
        elif isinstance(module, nn.Sequential):
            last = list(module[-1].parameters())
        else:
            continue
        for weight in last:
            weight.mul_(QUIET)
