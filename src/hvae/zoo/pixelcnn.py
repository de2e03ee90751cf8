r"""PixelCNN: a model of images without latents.

    p(x) = prod_t p(x_t | x_{<t})                    van den Oord et al. 2016, arXiv 1606.05328, eq. (1), sec. 2.2-2.4

log p(x) is exact: the bound is the likelihood.  The gated network is in `hvae.nn.pixelcnn`, and its released 256-way
softmax is `likelihood` categorical; PixelCNN++ (Salimans et al. 2017, arXiv 1701.05517) is in `hvae.nn.pixelcnnpp`, and
its mixture of logistics, joint over the colours of a pixel, is dmol.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from hvae.config.pixels import PixelCNNConfig, PixelVAEConfig
from hvae.errors import HvaeError
from hvae.levels.heads import Head
from hvae.levels.likelihoods import head
from hvae.levels.pixels import PixelHead, PixelNetwork
from hvae.models import TopDown
from hvae.models.conditioning import Unconditional
from hvae.nn import BottomUp, Constant, Shape
from hvae.nn.pixelcnn import GatedPixelCNN
from hvae.nn.pixelcnnpp import PixelCNNpp

AnyPixels = PixelCNNConfig | PixelVAEConfig


def build(config: PixelCNNConfig, shape: Shape, bits: int) -> TopDown:
    """No level, and a likelihood that hears of nothing but pixels."""
    law = pixel_head(config, shape, bits, width=config.width, beside=0)
    return TopDown(
        shape,
        bottom_up=BottomUp({}),
        start=Constant((0, *shape[1:])),
        levels=[],
        leave=nn.Identity(),
        head=law,
        condition=Unconditional(),
    )


def pixel_head(config: AnyPixels, shape: Shape, bits: int, *, width: int, beside: int) -> PixelHead:
    """The autoregressive likelihood of a configuration, which hears a map of `beside` channels."""
    if len(shape) != 3:
        raise HvaeError(f"{config.family} needs images (C, H, W), got data of shape {shape}; choose another family")
    each = head(config.likelihood, (shape[0], 1, 1), 2**bits, mixtures=config.mixtures, sigma=config.sigma)
    return PixelHead(shape, _NETWORKS[config.decoder](config, each, width, beside), each, beside)


def _gated(config: AnyPixels, each: Head, width: int, beside: int) -> PixelNetwork:
    reach, layers = min(3, config.receptive - 1), config.receptive - min(3, config.receptive - 1)
    return GatedPixelCNN(each.shape[0], each.width, width=width, layers=layers, first=2 * reach + 1, beside=beside)


def _plusplus(config: AnyPixels, each: Head, width: int, beside: int) -> PixelNetwork:
    return PixelCNNpp(
        each.shape[0],
        each.width,
        width=width,
        blocks=config.pixel_blocks,
        scales=config.pixel_scales,
        beside=beside,
    )


_NETWORKS: dict[str, Callable[[AnyPixels, Head, int, int], PixelNetwork]] = {"gated": _gated, "plusplus": _plusplus}
