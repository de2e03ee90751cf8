"""The clockwork VAE: a ladder whose level l ticks every s_l steps, for long sequences and video.

    h^l_k = f(h^l_{k-1}, [z^l_{k-1}, s^{l+1}_k]),   s^l_k = [h^l_k, z^l_k]        Saxena, Ba and Hafner 2021, arXiv
    p(z^l_k | h^l_k) = N(mu_p, sigma_p^2),   q(z^l_k | h^l_k, e^l_k)              2102.09532, sec. 3
    e^l_k = NN(e^{l-1} of all ticks in the window of tick k),   p(x_t | s^1_t)
    s^{l+1}_k: the last state that the level above has reached by then

`posterior` precision is the merge of the speech variant (Havtorn et al. 2022), where q is never wider than p.  A stride
above 1 at z1 makes each tick of it emit s_1 steps: samples of sound in frames.

`dense`: p(x_t | s^1_t, .., s^L_t), as in the ladder of Aksan and Hilliges 2019, arXiv 1902.06568.

`sprites`: p(x_t | s^1_t, s^L_t), pictures that the top draws and z1 puts in their places (Hsieh et al. 2018, arXiv
1806.04166).

`follow`: q(z^l_k | h^l_k, a_{1..T}, m), where a_t are the places of the things in frame t, each followed through the
film, and m what they look like there in the mean over frames (nn/following.py; Kosiorek et al. 2018, arXiv 1806.01794);
picture k is drawn from the k-th part of z^L.  In SQAIR what is where is drawn first, and what it looks like given that;
here a and m are functions of x, so that the order of the latents stays the generative one.

A condition y enters h^l_0, s^{l+1} as level l hears it, e^l, and z^l on its way to the next tick and to all below.

Differences from the paper: the strides are free (there: powers of one number); frames of images are read by the
convolutions of this library.
"""

from __future__ import annotations

import math

from torch import nn

from hvae.config.clockwork import CWVAEConfig
from hvae.errors import HvaeError
from hvae.levels.heads import Head
from hvae.models.clockwork import All, Clockwork, Ends, Lowest, Rung, Seen
from hvae.models.conditioning import LAST, Place
from hvae.nn import Constant, Shape, from_vector
from hvae.nn.following import Following, Sure, at_once
from hvae.nn.mlp import SLOPE, FromMarginal, dense
from hvae.nn.recurrence import After, memory_size, skip, step_cell
from hvae.nn.sprites import Dealt, Parts, Slice, Sprites, Sum, Whereabouts, pictures, places
from hvae.zoo.parts import climb, conditioning, descend, kit_for
from hvae.zoo.sequences import embedding, hidden, limits_of, step_head, step_of, ticking, to_gaussian


def build(config: CWVAEConfig, shape: Shape, bits: int) -> Clockwork:
    """A recurrence and a level at each stride, of vectors; frames of images by convolutions."""
    step = step_of(config, shape)
    head = step_head(config, step, bits)
    frames = len(step) == 3
    if frames and config.strides[0] != 1:
        raise HvaeError(f"model.strides: z1 ticks at every frame of a film, expected 1 first, got {config.strides}")
    if config.sprites and not frames:
        raise HvaeError(f"model.sprites: pictures are put into frames (C, H, W), got steps of shape {step}; set 0")
    count = len(config.latents)
    return Clockwork(
        shape,
        limits=limits_of(config, step, bits),
        watch=Following(config.sprites, config.side) if config.follow else Seen(),
        embed=_embedding(config, step),
        rungs=[_rung(config, l) for l in reversed(range(count))],
        gather=_gathering(config),
        leave=_drawing(config, step, head) if frames else _leaving(config, head),
        head=head,
        condition=conditioning(config.condition, _places(config)),
    )


def _places(config: CWVAEConfig) -> dict[str, Place]:
    """What a level begins with, what it hears from above, what inference reads of it, and its latents.

    Of things that are followed inference reads places, which are no features; nor is what draws sprites.
    """
    memory, evidence = memory_size(config.cell, config.state), 0 if config.follow else config.width
    carried = [memory + config.state + dims for dims in config.latents]
    levels = {
        f"z{l + 1}": Place(state=carried[l], evidence=evidence, value=config.latents[l], past=above)
        for l, above in reversed(list(enumerate([*carried[1:], 0])))
    }
    return levels if config.sprites else {**levels, LAST: Place(state=memory + _seen(config))}


def _rung(config: CWVAEConfig, l: int) -> Rung:
    """Level l, counted from 0, the lowest."""
    below = config.strides[l - 1] if l else 1
    memory, dims = memory_size(config.cell, config.state), config.latents[l]
    size = memory + config.state
    above = 0 if l + 1 == len(config.latents) else size + config.latents[l + 1]
    windows = nn.Sequential(*hidden(config.strides[l] // below * config.width, config.width, config.layers))
    where = 4 * config.sprites  # of what is followed, places and moves come first
    return Rung(
        stride=config.strides[l],
        read=Slice(0, where + config.width) if config.follow else windows,  # the first tick's
        first=Constant((size + dims,)),
        enter=After(step_cell(config.cell, above + dims, config.state), size),
        level=ticking(config, f"z{l + 1}", dims, _message(config, l) if config.follow else None),
        truncate=config.truncate,
    )


def _message(config: CWVAEConfig, l: int) -> nn.Module:
    """What the data say of level l where things are followed: z1 hears where they are, all others the looks too."""
    where, width, dims = 4 * config.sprites, config.width, config.latents[l]
    if l:
        return to_gaussian(where + width, width, 1, dims)
    return nn.Sequential(Slice(0, where), Sure(where, width, where // 2, dims))


def _gathering(config: CWVAEConfig) -> nn.Module:
    memory = memory_size(config.cell, config.state)
    if config.sprites:
        return Ends(memory)
    return All(memory) if config.dense else Lowest()


def _seen(config: CWVAEConfig) -> int:
    """How many numbers the data see of the levels."""
    levels = config.latents if config.dense else config.latents[:1]
    return sum(config.state + dims for dims in levels)


def _leaving(config: CWVAEConfig, head: Head) -> nn.Sequential:
    memory, inputs = memory_size(config.cell, config.state), _seen(config)
    last = FromMarginal(config.width, config.strides[0] * head.width, head.shape[1:])
    return nn.Sequential(skip(memory), *hidden(inputs, config.width, config.layers), last)


def _embedding(config: CWVAEConfig, step: Shape) -> nn.Sequential:
    """What inference reads of a step to a vector."""
    if config.follow:
        return _followed(config, step)
    if len(step) == 3:
        return _reading(config, step)
    return embedding(config, step, config.width, config.layers)


def _followed(config: CWVAEConfig, step: Shape) -> nn.Sequential:
    """The places of the things in a frame as they are, and what they look like as a vector; one network reads all."""
    count, width, look = config.sprites, config.width, step[0] * config.side**2
    looks = nn.Sequential(nn.Unflatten(1, (count, look)), dense(look, width), nn.Flatten(), dense(count * width, width))
    return nn.Sequential(Parts((4 * count, count * look), nn.Identity(), looks))


def _reading(config: CWVAEConfig, step: Shape) -> nn.Sequential:
    """A frame to a vector."""
    kit, folded = kit_for("conv", "none"), _folded(config, step)
    maps = kit.shapes(folded, config.channels)
    vector = nn.Linear(math.prod(maps[-1]), config.width)
    fold = [nn.PixelUnshuffle(config.patch)] if config.patch > 1 else []
    whole = climb(kit, folded, maps)
    if not config.sprites:
        return nn.Sequential(*fold, whole, nn.Flatten(), vector, nn.LeakyReLU(SLOPE))
    channels = maps[0][0]
    places = nn.Sequential(Whereabouts(channels, channels), nn.Linear(2 * channels, config.width))
    enter, *rest = whole
    both = Sum(nn.Sequential(*rest, nn.Flatten(), vector), places)
    return nn.Sequential(*fold, enter, both, nn.LeakyReLU(SLOPE))


def _drawing(config: CWVAEConfig, step: Shape, head: Head) -> nn.Sequential:
    """The state of z1 to the raw parameters of a frame."""
    kit, memory, folded = kit_for("conv", "none"), memory_size(config.cell, config.state), _folded(config, step)
    if config.sprites:
        return nn.Sequential(skip(memory), _sprites(config, step, head))
    maps = kit.shapes(folded, config.channels)
    vector = from_vector(_seen(config), maps[-1])
    last = kit.leave(maps[0], folded, head.width * config.patch**2)
    unfold = [nn.PixelShuffle(config.patch)] if config.patch > 1 else []
    return nn.Sequential(skip(memory), vector, descend(kit, maps), last, *unfold)


def _sprites(config: CWVAEConfig, step: Shape, head: Head) -> Sprites:
    """The states of z1 and of the top to the raw parameters of a frame."""
    count, width, (quick, still) = config.sprites, 2 * config.width, (config.latents[0], config.latents[-1])
    state, one = config.state, (head.width, config.side, config.side)
    if config.follow:
        place: nn.Module = nn.Sequential(Slice(state, state + quick), at_once(quick, 2 * count))
        picture: nn.Module = Dealt(pictures(state + still // count, width, one), count, still)
    else:
        place, picture = places(state + quick, width, count), pictures(state + still, width, (count, *one))
    return Sprites((state + quick, state + still), shape=(count, *one), place=place, picture=picture, size=step[1:])


def _folded(config: CWVAEConfig, step: Shape) -> Shape:
    """A frame whose squares of `patch` x `patch` pixels are the channels of one place (space to depth).

    Raises HvaeError for frames that such squares do not cover.
    """
    (channels, *size), side = step, config.patch
    if any(s % side for s in size):
        raise HvaeError(
            f"model.patch: expected a divisor of the frames' {size[0]} x {size[1]} pixels, got {side}; 1 is any"
        )
    return channels * side**2, *(s // side for s in size)
