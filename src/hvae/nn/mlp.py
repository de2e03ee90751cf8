"""Dense networks over vectors.

Shapes: `B` batch; `H` hidden width; `P` parameters of the likelihood a position.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from hvae.nn.kit import Kit, Norm, Shape, unnormalised
from hvae.nn.product import Linear

# Sonderby et al. 2016 (arXiv 1602.02282, sec. 3) use leaky rectifiers of slope 0.1 and two layers a level.
SLOPE = 0.1


class Centre(nn.Module):
    """[0, 1] to [-1, 1]: inputs of zero mean and like size keep the first layer well conditioned."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x - 1


Layer = TypeVar("Layer", nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def he(layer: Layer) -> Layer:
    """Weights that keep the variance of what passes through a rectifier; biases zero.

    He et al. 2015, arXiv 1502.01852, eq. (10).  The default initialisation shrinks a signal by about two a layer, and a
    decoder with weak latents learns to ignore them.
    """
    nn.init.kaiming_normal_(layer.weight, a=SLOPE, nonlinearity="leaky_relu")
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def near_one(layer: Layer) -> Layer:
    """A map to raw locations and raw scales whose scales start near one, whatever the size of its input.

    A prior that starts narrow by accident costs millions of nats; locations keep their size, or the decoder would
    ignore them.
    """
    layer.weight.data[layer.weight.shape[0] // 2 :] *= 0.1
    return layer


def dense(a: int, b: int, norm: Norm = unnormalised) -> nn.Sequential:
    """Linear, normalisation, leaky rectifier."""
    return nn.Sequential(he(Linear(a, b)), norm(b), nn.LeakyReLU(SLOPE))


class MLPKit(Kit):
    """Dense layers: features are vectors, and so are latents."""

    def __init__(self, norm: Norm = unnormalised) -> None:
        self.norm = norm

    def shapes(self, data: Shape, widths: Sequence[int]) -> list[Shape]:
        return [(width,) for width in widths]

    def latent(self, feature: Shape, dims: int) -> Shape:
        return (dims,)

    def enter(self, data: Shape, to: Shape) -> nn.Module:
        return nn.Sequential(Centre(), nn.Flatten(), self.connect((math.prod(data),), to))

    def connect(self, a: Shape, b: Shape) -> nn.Module:
        return nn.Sequential(*dense(a[0], b[0], self.norm), *dense(b[0], b[0], self.norm))

    def gaussian(self, a: Shape, dims: int) -> nn.Module:
        return near_one(Linear(a[0], 2 * dims))

    def leave(self, a: Shape, data: Shape, parameters: int) -> nn.Module:
        positions = data[1:]
        return nn.Sequential(Linear(a[0], parameters * math.prod(positions)), nn.Unflatten(1, (parameters, *positions)))


def dense_tanh(a: int, b: int, norm: Norm = unnormalised) -> nn.Sequential:
    """Linear, normalisation, hyperbolic tangent: the layers of the first variational autoencoders and of IWAE.

    The weights keep the variance of signal and gradient alike (Glorot and Bengio 2010, eq. 16).
    """
    layer = Linear(a, b)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return nn.Sequential(layer, norm(b), nn.Tanh())


class FromMarginal(nn.Module):
    """The last linear map, to raw likelihood parameters (B, P, *positions), whose bias can start where the data are.

    A step of Adam moves a bias by the learning rate: a border that is never lit, at a logit of -7, is thousands away.
    """

    def __init__(self, a: int, parameters: int, positions: Shape) -> None:
        super().__init__()
        self.shape, self.linear = (parameters, *positions), Linear(a, parameters * math.prod(positions))

    def forward(self, h: Tensor) -> Tensor:
        return self.linear(h).unflatten(1, self.shape)

    @torch.no_grad()
    def begin(self, raw: Tensor) -> None:
        """Start from raw parameters (P, *positions) that describe the data as a whole."""
        self.linear.bias.copy_(raw.flatten())


class TanhKit(MLPKit):
    """Dense layers as in the first variational autoencoders.

    The data are not centred: a pixel that is off then says nothing, where a full range of them would drive hyperbolic
    tangents to their ends; and the last layer starts at the data's marginal, as in the code of Burda et al. 2015.
    """

    def enter(self, data: Shape, to: Shape) -> nn.Module:
        return nn.Sequential(nn.Flatten(), self.connect((math.prod(data),), to))

    def connect(self, a: Shape, b: Shape) -> nn.Module:
        return nn.Sequential(*dense_tanh(a[0], b[0], self.norm), *dense_tanh(b[0], b[0], self.norm))

    def leave(self, a: Shape, data: Shape, parameters: int) -> nn.Module:
        return FromMarginal(a[0], parameters, data[1:])


def begin(network: nn.Module, raw: Tensor | None) -> None:
    """Every last map in a network that can starts from the raw parameters of the data as a whole, if any are known."""
    for layer in network.modules():
        if isinstance(layer, FromMarginal) and raw is not None:
            layer.begin(raw)
