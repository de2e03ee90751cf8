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

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from hvae.capacity import check_memory
from hvae.errors import missing_extra

Maps = Any
"""A lazy transform of zuko's: a module from a context, or none, to an invertible map of (..., D)."""
QUIET = 0.1
"""What the last layer of each network starts at of its usual size: a flow starts near the identity."""
_COUPLED = 2
_BYTES = 5
"""Of a weight and its mask."""


class Flow(nn.Module):
    """A map z -> z' of vectors of channels, (B, D, ...), given a context (B, C, ...) or none.

    >>> flow = Flow(zuko_maps("spline-coupling", 3, 2, transforms=2, hidden=(8,), bins=4))
    >>> z, c = torch.randn(4, 3, 5, 5), torch.randn(4, 2, 5, 5)
    >>> torch.allclose(flow.inverse(flow(z, c)[0], c)[0], z, atol=1e-5)
    True
    """

    def __init__(self, transform: Maps) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z' and the log-determinant of the map at z, in equal parts on the channels: both (B, D, ...)."""
        return _through(self._given(context), z)

    def inverse(self, value: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The z that is mapped to a value, and the log-determinant of the map there: both (B, D, ...)."""
        z, log_det = _through(self._given(context).inv, value)
        return z, -log_det

    def _given(self, context: Tensor | None) -> Any:
        return self.transform(None if context is None else context.movedim(1, -1))


def _through(transform: Any, z: Tensor) -> tuple[Tensor, Tensor]:
    # Under autocast the network's numbers would be rounded, and the two directions be no inverses any more.
    with torch.autocast(z.device.type, enabled=False):
        image, log_det = transform.call_and_ladj(z.movedim(1, -1))
    return image.movedim(-1, 1), (log_det / z.shape[1]).unsqueeze(1).expand_as(z)


def zuko_maps(kind: str, channels: int, context: int, *, transforms: int, hidden: Sequence[int], bins: int) -> Maps:
    """The lazy transform of zuko's that a kind names: affine or spline, autoregressive or (-coupling) in two halves.

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
    form_of = {"affine": MAF, "spline": partial(NSF, bins=bins)}[form]
    device = torch.get_default_device()
    # Which weights there are is computed from numbers, which must exist.
    with torch.device("cpu"):
        flow = form_of(
            channels, context, transforms=transforms, passes=_COUPLED if coupling else None, hidden_features=hidden
        )
    _quiet(flow.transform)
    return flow.transform.to(device)


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
