r"""Weight normalisation, and the start that data give it.

Shapes: `B` batch; `A` input and `C` output channels; `k` kernel; `h w` space; `D` a vector's width.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.nn.begin import FromData
from hvae.nn.circle import Circle, correlate, spectrum
from hvae.nn.conv import Resize, Spread
from hvae.nn.kernels import WeightCache
from hvae.nn.kit import Shape
from hvae.nn.product import pointwise
from hvae.nn.wide import direct, few, pays

# Outputs that vary less over a batch count as constant.  The published floor: dividing by less than this would blow up
# channels that are silent by construction, such as those of a masked layer that see nothing but padding.
STILL = 1e-4


@dataclass(frozen=True)
class Length:
    """How the free number of a channel, its gain, becomes the length of its weight vector, and back."""

    of: Callable[[Tensor], Tensor]
    inverse: Callable[[Tensor], Tensor]


def _itself(gain: Tensor) -> Tensor:
    return gain


PLAIN = Length(_itself, _itself)
"""The number itself: Salimans and Kingma 2016, arXiv 1602.07868, eq. (2)."""
LOG = Length(torch.exp, torch.log)
"""Its exponential: the same reference, sec. 2, and the choice of the IAF authors."""


class Normed(FromData):
    r"""An affine map whose weights are a direction times a length, each output channel with its own.

    $$w = g\, \frac{v}{\lVert v \rVert}$$

    Salimans and Kingma 2016, arXiv 1602.07868, eq. (2).  Until data have spoken, all g are 1: the outputs are as large
    as the inputs.  `initialise` makes the outputs of a batch zero in the mean with standard deviation `std`, sec. 3.

    Arguments: `shape` of the weights, output channels first; `std`; `length`, how g is stored; `mask`, of the shape of
    the weights, 0 where there is no connection.
    """

    mask: Tensor | None

    def __init__(self, shape: Sequence[int], *, std: float, length: Length = PLAIN, mask: Tensor | None = None) -> None:
        super().__init__()
        self.std, self.length = std, length
        self.direction = nn.Parameter(torch.randn(*shape) * 0.05)  # (C, A, k, k) or (C, D)
        self.gain = nn.Parameter(
            length.inverse(torch.ones(shape[0], *(1 for _ in shape[1:])))
        )  # (C, 1, 1, 1) or (C, 1)
        self.bias = nn.Parameter(torch.zeros(shape[0]))
        self.register_buffer("mask", mask, persistent=False)
        self.cache: WeightCache[Tensor] = WeightCache()

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor: ...

    def weight(self) -> Tensor:
        """The weights that the map uses; without gradients they are computed once."""
        return self.cache(self._weight, self.direction, self.gain)

    def _weight(self) -> Tensor:
        direction = self.direction if self.mask is None else self.direction * self.mask
        # The kernel behind torch's own parametrisation: a third to half of the time of the same formula in plain
        # operations, forward and backward together, at sizes from 32 x 32 x 3 x 3 to 12,544 x 96 on one core.
        return torch._weight_norm(direction, self.length.of(self.gain), 0)

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Choose length and bias so that the outputs of this batch have mean 0 and standard deviation `std`.

        Channels whose output does not vary keep their length.
        """
        y = self(x).transpose(0, 1).flatten(1)  # (B, C, h, w) -> (C, B h w)
        mean, spread = y.mean(1), y.std(1, correction=0)
        factor = torch.where(spread > STILL, self.std / spread, torch.ones_like(spread))
        self.gain.copy_(self.length.inverse(self.length.of(self.gain) * factor.view_as(self.gain)))
        self.bias.sub_(mean).mul_(factor)

    def extra_repr(self) -> str:
        return " x ".join(map(str, self.direction.shape))


def padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after a side, so that it ends ceil(size / stride) long; the odd one comes after.

    >>> padding(28, 5, 2), padding(7, 3, 2), padding(16, 16, 1)
    ((1, 2), (1, 1), (7, 8))
    """
    total = max(0, (math.ceil(size / stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


class NormedConv(Normed):
    """A convolution from A to C channels whose output is 1 / `stride` of its input in size, rounded up."""

    def __init__(
        self,
        a: int,
        b: int,
        kernel: int,
        *,
        stride: int = 1,
        std: float,
        length: Length = PLAIN,
        mask: Tensor | None = None,
    ) -> None:
        super().__init__((b, a, kernel, kernel), std=std, length=length, mask=mask)
        self.kernel, self.stride = kernel, stride
        self.spectra: dict[Circle, WeightCache[Tensor]] = {}

    def forward(self, x: Tensor) -> Tensor:
        (top, bottom), (left, right) = (padding(size, self.kernel, self.stride) for size in x.shape[2:])
        if self.kernel == self.stride == 1:
            return pointwise(x, self.weight(), self.bias)
        if self.stride == 1 and pays(x, self.direction):
            at = Circle((x.shape[2], x.shape[3]), self.kernel, (top, left))
            if not few(x):
                return correlate(x, self._spectrum(at), self.bias, at)
            self.spectra.clear()  # those of the last evaluation are three times the weights
            return direct(x, self.weight(), self.bias, at)
        if (top, left) != (bottom, right):
            # The odd zero alone is written: a kernel of 16 on a map of 16 x 16 has three times as many as the map is.
            x = F.pad(x, (0, right - left, 0, bottom - top))
        return F.conv2d(x, self.weight(), self.bias, self.stride, (top, left))

    def _spectrum(self, at: Circle) -> Tensor:
        """The frequencies of the weights for maps of one size; without gradients computed once."""
        if at not in self.spectra:
            self.spectra = {at: WeightCache()}
        return self.spectra[at](lambda: spectrum(self._weight(), at), self.direction, self.gain)


class NormedTransposed(Normed):
    """The transpose of a convolution of stride 2: from A to C channels, twice as large, cut to `size`."""

    def __init__(self, a: int, b: int, kernel: int, *, size: Sequence[int], std: float, length: Length = PLAIN) -> None:
        super().__init__((b, a, kernel, kernel), std=std, length=length)
        # What the convolution that it transposes pads before each side.
        self.size, self.margin = tuple(size), [padding(side, kernel, 2)[0] for side in size]

    def forward(self, x: Tensor) -> Tensor:
        y = F.conv_transpose2d(x, self.weight().transpose(0, 1), self.bias, 2)  # (B, C, 2 h + k - 2, 2 w + k - 2)
        (top, left), (height, width) = self.margin, self.size
        return y[:, :, top : top + height, left : left + width]


class NormedLinear(Normed):
    """A dense layer from A to C numbers."""

    def __init__(self, a: int, b: int, *, std: float, length: Length = PLAIN) -> None:
        super().__init__((b, a), std=std, length=length)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight(), self.bias)


Larger = Callable[[Shape, Shape, int, float, Length], nn.Module]
"""(feature before, feature after of twice the size, kernel, `std`, `length`) -> a weight-normalised map."""


def _transposed(a: Shape, b: Shape, kernel: int, std: float, length: Length) -> nn.Module:
    return NormedTransposed(a[0], b[0], kernel, size=b[1:], std=std, length=length)


def _repeated(a: Shape, b: Shape, kernel: int, std: float, length: Length) -> nn.Module:
    return nn.Sequential(Resize(b[1:]), NormedConv(a[0], b[0], kernel, std=std, length=length))


def _sub_pixel(a: Shape, b: Shape, kernel: int, std: float, length: Length) -> nn.Module:
    return nn.Sequential(NormedConv(a[0], 4 * b[0], kernel, std=std, length=length), Spread(b[1:]))


LARGER: dict[str, Larger] = {"transposed": _transposed, "nearest": _repeated, "sub-pixel": _sub_pixel}
"""By name, as `hvae.nn.larger.LARGER`."""


def between(
    a: Shape, b: Shape, kernel: int, *, std: float, length: Length = PLAIN, larger: Larger = _transposed
) -> nn.Module:
    """A weight-normalised map between features (channels, height, width) of one size, or one half or twice the other,
    of which `larger` says how it is reached.

    >>> between((4, 6, 5), (8, 3, 3), 3, std=0.1)(torch.zeros(2, 4, 6, 5)).shape
    torch.Size([2, 8, 3, 3])
    >>> between((8, 3, 3), (4, 6, 5), 3, std=0.1)(torch.zeros(2, 8, 3, 3)).shape
    torch.Size([2, 4, 6, 5])
    """
    if a[1:] == b[1:]:
        return NormedConv(a[0], b[0], kernel, std=std, length=length)
    if b[1:] == tuple(math.ceil(size / 2) for size in a[1:]):
        return NormedConv(a[0], b[0], kernel, stride=2, std=std, length=length)
    return larger(a, b, kernel, std, length)
