r"""VQ-VAE-2: two maps of codes or more, each finer one conditioned on the coarser ones.

    z_L = nearest(f_L(x)),   z_l = nearest(f_l(x), g_l(z_{>l}))      Razavi, van den Oord and Vinyals 2019, arXiv
    x = decode(z_1, up(z_2, up(z_3)))                                1906.00446, sec. 3.1, algorithm 1
    p(k_l) = 1 / K at each position until a prior is trained

with f_l the encoder's features at the scale of level l, g_l a decoder of the codes above to that scale, and `up` a map
of their channels there.  The losses are those of `vqvae`, a level at a time; the code and its sizes follow
rosinality/vq-vae-2-pytorch, of whose running means `model.codebook released` has the blow-up too.

With three levels or more each decoder sees all codes above it, side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from math import prod
from operator import mul

from torch import nn

from hvae.config.vqvae import VQVAE2Config
from hvae.levels import Replace
from hvae.levels.codebook import Beside, CodeLevel, ReadAlone, ReadBelow
from hvae.models import Coded
from hvae.models.conditioning import Place
from hvae.nn import BottomUp, Constant, Shape
from hvae.nn.mlp import Centre
from hvae.nn.strided import Crop, Pad, downward, enlarged, upward
from hvae.zoo.codes import check_image, level, place, quantised, whole
from hvae.zoo.parts import conditioning, head_for


def build(config: VQVAE2Config, shape: Shape, bits: int) -> Coded:
    """Levels from the coarsest down; data that the strides do not divide are padded."""
    check_image(config, shape)
    head, size = head_for(config, shape, bits), whole(shape[1:], prod(config.strides))
    below = (config.width, config.hidden, config.blocks)
    decoder = upward(config.numbers * len(config.strides), *below, config.strides[0], head.width)
    return Coded(
        shape,
        bottom_up=_rising(config, shape, size),
        start=Constant((1,)),
        levels=list(_levels(config, shape, size)),
        leave=nn.Sequential(decoder, Crop(shape[1:])),
        head=head,
        condition=conditioning(config.condition, _places(config)),
    )


def _places(config: VQVAE2Config) -> dict[str, Place]:
    return {f"z{l + 1}": place(config, config.width) for l in range(len(config.strides))}


def _rising(config: VQVAE2Config, shape: Shape, size: Shape) -> BottomUp:
    """One network a level; the first begins with the data."""
    below = (config.width, config.hidden, config.blocks)
    channels = [shape[0], *[config.width] * len(config.strides)]
    up = {f"z{l + 1}": downward(channels[l], *below, stride) for l, stride in enumerate(config.strides)}
    return BottomUp({**up, "z1": nn.Sequential(Centre(), Pad(size), up["z1"])})


def _levels(config: VQVAE2Config, shape: Shape, size: Shape) -> Iterator[CodeLevel]:
    top, d, w = len(config.strides), config.numbers, config.width
    scales = list(accumulate(config.strides, mul))
    for l in reversed(range(top)):
        places = tuple(side // scales[l] for side in size)
        above = d * (top - 1 - l)
        read: nn.Module = ReadAlone(quantised(config, w))
        absorb: nn.Module = Replace(nn.Identity())
        if above:
            stride = config.strides[l + 1]
            features = upward(above, w, config.hidden, config.blocks, stride, d)
            read, absorb = ReadBelow(features, quantised(config, d + w)), Beside(enlarged(above, stride))
        yield level(config, f"z{l + 1}", places, prod(shape), read=read, absorb=absorb, above=above)
