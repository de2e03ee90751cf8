r"""PixelVAE: levels of Gaussian latents above an autoregressive likelihood.

    p(x, z) = p(z) prod_t p(x_t | x_{<t}, z)                    Gulrajani et al. 2017, arXiv 1611.05013, eq. (1), fig. 2

The gated PixelCNN sees `receptive` pixels to the left and one row more above: what is farther away is for the latents.
PixelCNN++ may take its place.  Differences from the paper: the levels are those of `ladder`, q a residual of p.
"""

from __future__ import annotations

from hvae.config.pixels import PixelVAEConfig
from hvae.models import TopDown
from hvae.nn import Shape
from hvae.zoo.ladder import above
from hvae.zoo.pixelcnn import pixel_head


def build(config: PixelVAEConfig, shape: Shape, bits: int) -> TopDown:
    """The ladder, whose last state is the map that the PixelCNN hears."""
    width = config.pixel_width
    return above(pixel_head(config, shape, bits, width=width, beside=width), config, shape)
