"""BIVA: the bidirectional-inference variational autoencoder, with skip connections in both directions.

    p(x, z) = p(x | z) p(z_L) prod_l p(z_l^up | z_{>l}) p(z_l^down | z_{>l})        Maaloe, Fraccaro, Lievin and
    q: z_1^up, ..., z_{L-1}^up, z_L on the way up, z_{L-1}^down, ..., z_1^down      Winther 2019, arXiv 1902.02102;
       on the way down                                                              see hvae.models.bidirectional
    block: elu, convolution, + side input, elu, dropout, convolution, gate, + identity
    skips: on the way up both paths of a stage reach all blocks of the next one's up path, and a stage's up path all
           blocks of its own path across; on the way down block j of a stage reaches block j of the next

Every layer is weight-normalised and starts from data, outputs of standard deviation 0.01.  Sizes, layers and numbers
are those of the authors' PyTorch release (its parameters are counted in the tests); where that differs from their
TensorFlow release (shortcuts that change the channels or the resolution, the kernel of the merge), so does this.

`model.up`, `share` and `attention` leave this model; by default it is as published.

Differences from the release: KL in closed form for the top and the down latents, where it samples all; binary data are
centred, as all data are here.  `model.variance` "above-one" is the release's scale, sigma^2 = 1 + e^r.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from torch import nn

from hvae.config.biva import BIVAConfig
from hvae.errors import HvaeError
from hvae.levels import variance
from hvae.levels.conditional import Conditional
from hvae.models.bidirectional import Bidirectional, Latent, Stage
from hvae.models.conditioning import LAST, Place
from hvae.nn import Shape
from hvae.nn.conv import halved
from hvae.nn.gated import First, GatedBlock, Halve, Row, SkipRow, TwoPaths
from hvae.nn.mlp import Centre
from hvae.nn.weightnorm import LARGER, NormedConv, NormedLinear, between
from hvae.zoo.parts import conditioning, head_for
from hvae.zoo.pyramid import attending
from hvae.zoo.sharing import Sharing, Use

# The release's standard deviation of every layer's first outputs.
STD = 0.01
# The release's kernel where the way up and the way down meet.
MERGE = 3


def build(config: BIVAConfig, shape: Shape, bits: int) -> Bidirectional:
    """Stages from the data up; each is read by the way down in the same sizes."""
    if len(shape) != 3:
        raise HvaeError(f"biva needs images (C, H, W), got data of shape {shape}; for vectors choose model.family lvae")
    head, features = head_for(config, shape, bits), _features(config, shape)
    shared = Sharing(config.share)
    stages = [_stage(config, shared, l, below, here, shape) for l, (below, here) in enumerate(pairwise(features))]
    top = (config.latents[-1], *(features[-1][1:] if config.maps else ()))
    return Bidirectional(
        shape,
        enter=Centre(),
        stages=stages,
        latents=_latents(config, features[1:]),
        top=top,
        leave=nn.Sequential(nn.ELU(), NormedConv(config.width, head.width, 1, std=STD)),
        head=head,
        condition=conditioning(config.condition, _places(config), shape),
    )


def _places(config: BIVAConfig) -> dict[str, Place]:
    """What each latent's laws read, and its value on its way down; "zl-down" tells its state to "zl-up" too."""
    w, (*below, top) = config.width, config.latents
    places = {f"z{config.depth}": Place(evidence=w, value=top)}
    for l in range(config.depth - 1, 0, -1):
        dims = below[l - 1]
        places |= {f"z{l}-down": Place(state=w, value=dims), f"z{l}-up": Place(state=w, evidence=w, value=dims)}
    return places | {LAST: Place(state=w)}


def _features(config: BIVAConfig, shape: Shape) -> list[Shape]:
    """The shape of the features below the first stage and after each."""
    features: list[Shape] = [(config.width, *shape[1:])]
    for stride in config.strides:
        size = features[-1][1:]
        features.append((config.width, *(size if stride == 1 else halved(size))))
    return features


def _stage(config: BIVAConfig, shared: Sharing, l: int, below: Shape, here: Shape, data: Shape) -> Stage:
    """The networks between the features below a stage and its own."""
    block = partial(_block, config, shared, l)
    top, w, k = l == config.depth - 1, config.width, config.kernels[l]
    vectors = not config.maps
    up = below if l and vectors else (config.latents[l - 1] if l else data[0], *below[1:])
    start = config.latents[l] * (1 if top else 2)
    merge = (
        block("merge", (2 * w, *here[1:]), here, k, None, config.dropout_q)
        if top
        else block("merge", here, here, MERGE, here, config.dropout_p)
    )
    return Stage(
        climb=_climb(config, block, l, up, (data[0] if l == 0 else w, *below[1:]), here),
        merge=Row([merge]),
        join=None if top else _to_map(config, start, here),
        descend=_descend(config, block, l, here if vectors else (start, *here[1:]), below, None if top else here),
    )


Block = Callable[..., nn.Module]
"""(path, features before, features after, kernel, side, dropout, raw) -> a block of one stage."""


def _climb(config: BIVAConfig, block: Block, l: int, up: Shape, across: Shape, here: Shape) -> TwoPaths:
    skip = (2 * config.width, *up[1:]) if l else None
    row = partial(_row, config, block, l)
    return TwoPaths(up=row("up", up, here, skip), across=row("across", across, here, here))


def _row(config: BIVAConfig, block: Block, l: int, path: str, a: Shape, here: Shape, side: Shape | None) -> Row:
    """The blocks of one path of a stage upwards; the last one changes the resolution, the first may meet raw data."""
    inner, kernel = (config.width, *a[1:]), config.kernels[l]
    shapes = pairwise([a, *[inner] * (config.blocks - 1), here])
    blocks = [
        block(f"{path}{j}", x, y, kernel, side, config.dropout_q, raw=l == 0 and j == 0)
        for j, (x, y) in enumerate(shapes)
    ]
    return Row(blocks, attending(config, l, config.width))


def _descend(config: BIVAConfig, block: Block, l: int, start: Shape, below: Shape, side: Shape | None) -> SkipRow:
    """The blocks of a stage downwards; the first one changes the resolution and meets latents."""
    shapes, kernel, dropout = pairwise([start, *[below] * config.blocks]), config.kernels[l], config.dropout_p
    blocks = [block(f"down{j}", x, y, kernel, side, dropout, raw=j == 0) for j, (x, y) in enumerate(shapes)]
    # They lead to the features of the stage below, whose heads hear them.
    return SkipRow(blocks, attending(config, l - 1, config.width) if l else [])


def _block(
    config: BIVAConfig,
    shared: Sharing,
    l: int,
    path: str,
    a: Shape,
    b: Shape,
    kernel: int,
    side: Shape | None,
    dropout: float,
    raw: bool = False,
) -> nn.Module:
    """The block of one stage; stages share those of one path whose shapes and kernels are one."""
    use = Use(f"{path}: {a} to {b} beside {side}, raw {raw}", kernel, l)
    return shared.one(use, lambda: _gated(config, a, b, kernel, side, dropout, raw))


def _gated(
    config: BIVAConfig, a: Shape, b: Shape, kernel: int, side: Shape | None, dropout: float, raw: bool
) -> GatedBlock:
    """From features of shape `a` to shape `b`; `raw` inputs are no features: neither activated nor passed on."""
    inner, join = (b[0], *a[1:]), partial(between, std=STD, larger=LARGER[config.up])
    return GatedBlock(
        enter=nn.Identity() if raw else nn.ELU(),
        inner=NormedConv(a[0], b[0], kernel, std=STD),
        outer=join(inner, (2 * b[0], *b[1:]), kernel),
        side=None if side is None else join(side, inner, 1 if side[1:] == a[1:] else kernel),
        shortcut=None if raw else _shortcut(a, b),
        dropout=dropout,
    )


def _shortcut(a: Shape, b: Shape) -> nn.Module | None:
    """The identity, as far as one shape can be read as the other: to fewer channels, at half the resolution."""
    if a[0] < b[0] or a[1:] < b[1:]:
        return None
    first = [First(b[0])] if a[0] > b[0] else []
    return nn.Sequential(*first, *([Halve()] if a[1:] > b[1:] else []))


def _latents(config: BIVAConfig, features: Sequence[Shape]) -> dict[str, Latent]:
    """Every latent by name, with its conditionals."""
    latents = {}
    for l, (h, dims) in enumerate(zip(features[:-1], config.latents, strict=False)):
        conditional = partial(_conditional, config, l, h)
        latents[f"z{l + 1}-up"] = Latent(q=conditional(), p=conditional(), inject=_to_map(config, dims, h))
        latents[f"z{l + 1}-down"] = Latent(q=conditional(), p=conditional())
    l, h = config.depth - 1, features[-1]
    latents[f"z{config.depth}"] = Latent(q=_conditional(config, l, h), inject=_to_map(config, config.latents[l], h))
    return latents


def _conditional(config: BIVAConfig, l: int, h: Shape) -> Conditional:
    out = 2 * config.latents[l]
    linear = NormedConv(h[0], out, config.maps[l], std=STD) if config.maps else NormedLinear(math.prod(h), out, std=STD)
    flat = [] if config.maps else [nn.Flatten()]
    return Conditional(nn.Sequential(nn.ELU(), *flat, linear), variance(config.variance))


def _to_map(config: BIVAConfig, dims: int, h: Shape) -> nn.Module:
    """A latent value to features: vectors through a dense layer, maps as they are."""
    if config.maps:
        return nn.Identity()
    return nn.Sequential(NormedLinear(dims, math.prod(h), std=STD), nn.Unflatten(1, h))
