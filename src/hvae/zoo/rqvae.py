r"""RQ-VAE: each level codes what the codes above it have left of one encoder output.

    r_L = z_e,   k_l = nearest(r_l),   r_{l-1} = r_l - e_{k_l},   z = sum_l e_{k_l}      Lee et al. 2022, arXiv
    L = -log p(x | z) + beta sum_l |z_e - sg[sum_{j >= l} e_{k_j}]|^2                   2203.01941, sec. 3.1

`scales` doubling makes the maps of next-scale models (Tian et al. 2024, arXiv 2404.02905, algorithm 1): level l has
half the side of level l - 1, the remainder is averaged to it, and its codes are interpolated back and mended by a
convolution before they are taken away.  The state of the walk is the sum so far, so that a level's prior sees the
levels above by their sum, and `from_top` shows the picture of the first codebooks alone.

The gradient of the encoder passes once, through the finest level; each commitment pulls it too.  With stochastic codes
all of it is that of the ELBO.  `shared` is the one codebook of the paper (sec. 3.1), which counts the vectors of all
levels; else each level has its own.  Decoder and encoder are those of `vqvae`; of sound, (T, S), those of
`hvae.zoo.soundcodes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

from torch import Tensor, nn

from hvae.config.vqvae import RQVAEConfig
from hvae.errors import HvaeError
from hvae.levels.codebook import CodeLevel, Plus, Remainder
from hvae.levels.quantisers import constant
from hvae.models import Coded
from hvae.models.fewer import Fewer
from hvae.models.signals import CodedSignal
from hvae.nn import BottomUp, Constant, Shape
from hvae.nn.mlp import Centre
from hvae.nn.strided import Crop, Grow, Pad, Shrink
from hvae.zoo import soundcodes
from hvae.zoo.codes import books, check_image, decoder, encoder, level, place, quantised, whole
from hvae.zoo.parts import conditioning, head_for


def build(config: RQVAEConfig, shape: Shape, bits: int) -> Coded | CodedSignal:
    """Levels from the first codebook down: of images (C, H, W), or of sound (T, S)."""
    return soundcodes.build(config, shape, bits) if len(shape) == 2 else _of_images(config, shape, bits)


def _of_images(config: RQVAEConfig, shape: Shape, bits: int) -> Coded:
    """Data that the stride does not divide are padded."""
    check_image(config, shape)
    head, size = head_for(config, shape, bits), whole(shape[1:], config.stride)
    places = tuple(side // config.stride for side in size)
    enter = nn.Sequential(Centre(), Pad(size), encoder(config, shape[0]), quantised(config, config.width))
    names = [f"z{l + 1}" for l in range(config.depth)]
    return Coded(
        shape,
        bottom_up=BottomUp({"z1": enter, **{name: nn.Identity() for name in names[1:]}}),
        start=Constant((config.numbers, *places)),
        levels=list(_levels(config, places, prod(shape))),
        leave=nn.Sequential(decoder(config, head.width), Crop(shape[1:])),
        head=head,
        flows=Fewer(names[::-1], config.dropout),
        condition=conditioning(config.condition, {name: place(config, config.numbers) for name in names}),
    )


def _levels(config: RQVAEConfig, places: Shape, values: int) -> Iterator[CodeLevel]:
    sizes = _sizes(config, places)
    for l, book in zip(reversed(range(config.depth)), books(config), strict=True):
        coarse = sizes[l] != places
        shrink: nn.Module = Shrink(sizes[l]) if coarse else nn.Identity()
        grow: nn.Module = Grow(config.numbers, places) if coarse else nn.Identity()
        yield level(
            config,
            f"z{l + 1}",
            sizes[l],
            values,
            read=Remainder(_SEEN.get(config.codebook, Tensor.detach), shrink),
            absorb=Plus(grow),
            above=config.numbers if l + 1 < config.depth else 0,
            gradient=constant if l else None,
            book=book,
        )


def _itself(h: Tensor) -> Tensor:
    return h


_SEEN: dict[str, Callable[[Tensor], Tensor]] = {"stochastic": _itself}
"""How a level compares the sum above: as a constant, but where the ELBO has a gradient through it."""


def _sizes(config: RQVAEConfig, places: Shape) -> list[Shape]:
    """The places of each level, z1 first."""
    if config.scales == "same":
        return [places] * config.depth
    sizes = [tuple(-(-side // 2**l) for side in places) for l in range(config.depth)]
    if len(set(sizes)) < config.depth:
        raise HvaeError(
            f"model.depth: expected at most {len(set(sizes))} doubling scales up to {places} places, got "
            f"{config.depth}; lower it, or model.stride"
        )
    return sizes
