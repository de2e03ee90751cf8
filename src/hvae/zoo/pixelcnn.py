r"""The gated PixelCNN: a model of images without latents.

    p(x) = prod_t p(x_t | x_{<t})                    van den Oord et al. 2016, arXiv 1606.05328, eq. (1), sec. 2.2-2.4

log p(x) is exact: the bound is the likelihood.  The released 256-way softmax is `likelihood` categorical; the network
is in `hvae.nn.pixelcnn`.
"""

from __future__ import annotations

from torch import nn

from hvae.config.model import ModelConfig
from hvae.config.pixels import PixelCNNConfig
from hvae.errors import HvaeError
from hvae.levels.likelihoods import head
from hvae.levels.pixels import PixelHead
from hvae.models import TopDown
from hvae.models.conditioning import Unconditional
from hvae.nn import BottomUp, Constant, Shape
from hvae.nn.pixelcnn import GatedPixelCNN


def build(config: PixelCNNConfig, shape: Shape, bits: int) -> TopDown:
    """No level, and a likelihood that hears of nothing but pixels."""
    law = pixel_head(config, shape, bits, width=config.width, receptive=config.receptive, beside=0)
    return TopDown(
        shape,
        bottom_up=BottomUp({}),
        start=Constant((0, *shape[1:])),
        levels=[],
        leave=nn.Identity(),
        head=law,
        condition=Unconditional(),
    )


def pixel_head(config: ModelConfig, shape: Shape, bits: int, *, width: int, receptive: int, beside: int) -> PixelHead:
    """The autoregressive likelihood of a configuration, which hears a map of `beside` channels."""
    if len(shape) != 3 or width % shape[0]:
        raise HvaeError(
            f"{config.family} needs images (C, H, W) and a width that C divides, got data of shape {shape} and "
            f"width {width}; choose another, such as {32 * shape[0]}"
        )
    each = head(config.likelihood, (shape[0], 1, 1), 2**bits, sigma=config.sigma)
    reach = min(3, receptive - 1)
    network = GatedPixelCNN(
        shape[0], each.width, width=width, layers=receptive - reach, first=2 * reach + 1, beside=beside
    )
    return PixelHead(shape, network, each, beside)
