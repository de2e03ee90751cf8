r"""The vector-quantised VAE: one map of codes between an encoder and a decoder.

    k = argmin_j |z_e(x) - e_j|,  z = e_k                      van den Oord, Vinyals and Kavukcuoglu 2017, arXiv
    p(k) = 1 / K,  q(k | x) = 1,  KL(q || p) = log K a position     1711.00937, eq. (1)-(2), sec. 3.1
    L = -log p(x | z) + |sg[z_e] - e|^2 + beta |z_e - sg[e]|^2                                       eq. (3)

The first square moves codes by gradients; running means take its place (appendix A.1, `hvae.nn.codebook`).  Both
squares are means over the map times the values of a datum, as in the code released with Sonnet, so that beta = 0.25
means the same at every size; sizes as there: kernels of 4 with stride 2, two residual blocks.  `network` transformer
reads patches by attention instead (ViT-VQGAN, Yu et al. 2021, arXiv 2110.04627, sec. 3.1; `hvae.nn.vision`).

Differences from the paper: running means instead of gradients, codes that start at data, dead ones that begin anew.
"""

from __future__ import annotations

from math import prod

from torch import nn

from hvae.config.vqvae import VQVAEConfig
from hvae.levels import Replace
from hvae.levels.codebook import ReadAlone
from hvae.models import Coded
from hvae.nn import BottomUp, Constant, Shape
from hvae.nn.mlp import Centre
from hvae.nn.strided import Crop, Pad
from hvae.zoo.codes import check_image, decoder, encoder, level, place, quantised, whole
from hvae.zoo.parts import conditioning, head_for


def build(config: VQVAEConfig, shape: Shape, bits: int) -> Coded:
    """One level of codes, each `stride` pixels a side; data that it does not divide are padded."""
    check_image(config, shape)
    head, size = head_for(config, shape, bits), whole(shape[1:], config.stride)
    return Coded(
        shape,
        bottom_up=BottomUp({"z1": nn.Sequential(Centre(), Pad(size), encoder(config, shape[0]))}),
        start=Constant((1,)),
        levels=[
            level(
                config,
                "z1",
                tuple(side // config.stride for side in size),
                prod(shape),
                read=ReadAlone(quantised(config, config.width)),
                absorb=Replace(nn.Identity()),
            )
        ],
        leave=nn.Sequential(decoder(config, head.width), Crop(shape[1:])),
        head=head,
        condition=conditioning(config.condition, {"z1": place(config, config.width)}),
    )
