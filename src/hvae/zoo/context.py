"""What a deep ladder is made of beside its levels: a context above them, and a likelihood that hears each of them.

Shapes: `C H W` the data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

from hvae.config.context import ContextConfig
from hvae.errors import HvaeError
from hvae.models.conditioning import Conditioning, Place, Unconditional
from hvae.models.contextual import Contextual
from hvae.models.diffusion import GUESSES, Diffusion
from hvae.nn import Shape
from hvae.nn.cosine import Grid, Shown
from hvae.nn.denoiser import Dense
from hvae.nn.gather import Gather
from hvae.nn.noise import LearnedLinear

NOISIEST = 5.0
"""gamma at the top: there the context is a 150th of the variance."""
APART = 6.0
"""Standard deviations of the noise next to the context from one of its values to the next, at the start."""


def context(config: ContextConfig, places: Mapping[str, Place], shape: Shape) -> Callable[[Conditioning], Conditioning]:
    """What puts a configured context beside the way for a condition to enter; without one it leaves that as it is.

    Raises HvaeError for data that are no images, and for more frequencies than they have places in a direction.
    """
    if not config.size:
        return lambda conditioning: conditioning
    if len(shape) != 3:
        raise HvaeError(f"model.context.size: expected images (C, H, W), got data of shape {shape}; leave it at 0")
    if config.size > min(shape[1:]):
        raise HvaeError(
            f"model.context.size: expected at most {min(shape[1:])} frequencies, as images of {shape[1]}x{shape[2]} "
            f"have in each direction, got {config.size}; a few are enough (4, say)"
        )
    grid, frequencies = Grid(shape, config.size, 2**config.bits), (shape[0], config.size, config.size)
    gain = math.sqrt(1 / len(places))
    networks = {name: Shown(shape[0], place.state, gain) for name, place in places.items()}
    return partial(Contextual, grid=grid, diffusion=_diffusion(config, frequencies), networks=networks)


def _diffusion(config: ContextConfig, shape: Shape) -> Diffusion:
    levels = 2**config.bits
    ends = -2 * math.log(APART * levels / 2), NOISIEST
    return Diffusion(
        shape,
        values=levels,
        steps=config.steps,
        walked=config.steps,
        visited=config.steps,  # all: a dense network costs little beside the levels below
        schedule=LearnedLinear(*ends),
        network=Dense(shape, config.width, config.blocks),
        guess=GUESSES["v"],
        ends=ends,
        condition=Unconditional(),
    )


def gather(aggregates: bool, latents: Mapping[str, int], width: int, axes: int = 2) -> Gather:
    """What the likelihood hears of the latents, of these channels by level, in a state of so many channels."""
    return Gather(latents if aggregates else {}, width, axes)
