"""The Markov bottom-up hierarchical VAE: the deep latent Gaussian model with a factorised chain for inference.

    p(z_L) = N(0, I),   p(z_l | z_{l+1}) = N(mu_l(z_{l+1}), sigma_l(z_{l+1})^2)     Rezende et al. 2014, arXiv
    p(x | z_1)                                                                      1401.4082; Sonderby et al.
    q(z_1 | x),   q(z_l | z_{l-1}) = N(mu_l(z_{l-1}), sigma_l(z_{l-1})^2)           2016, 1602.02282, sec. 2

This is the model in which upper levels collapse: it is the baseline that the ladders were made to beat.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from hvae.config.model import MarkovConfig
from hvae.levels import variance
from hvae.models import Markov
from hvae.models.conditioning import Place
from hvae.nn import Kit, Shape
from hvae.zoo.parts import conditioning, head_for, kit_of, same_length


def build(config: MarkovConfig, shape: Shape, bits: int) -> Markov:
    """A network of two layers for each conditional of both chains."""
    same_length(config, config.latents, config.widths)
    kit = kit_of(config, shape)
    head = head_for(config, shape, bits)
    widths = kit.shapes(shape, config.widths)
    latents = [kit.latent(h, d) for h, d in zip(widths, config.latents, strict=True)]
    first = nn.Sequential(kit.enter(shape, widths[0]), kit.gaussian(widths[0], config.latents[0]))
    up = [_conditional(kit, below, h, z) for (below, z), h in zip(pairwise(latents), widths[1:], strict=True)]
    down = [_conditional(kit, above, h, z) for (z, above), h in zip(pairwise(latents), widths[:-1], strict=True)]
    names = [f"z{l}" for l in range(1, len(latents) + 1)]
    return Markov(
        shape,
        inference=dict(zip(names, [first, *up], strict=True)),
        generation=dict(zip(names[:-1], down, strict=True)),
        top=latents[-1],
        leave=nn.Sequential(kit.connect(latents[0], widths[0]), kit.leave(widths[0], shape, head.width)),
        head=head,
        positive=variance(config.variance),
        condition=conditioning(config.condition, _places(config), shape),
    )


def _places(config: MarkovConfig) -> dict[str, Place]:
    """What each conditional reads: p the value above, q the value below (of z1 its raw numbers), the likelihood z1."""
    dims, top = config.latents, len(config.latents) - 1
    places = {f"z{l + 1}": Place(state=dims[l + 1] if l < top else 0, evidence=dims[l - 1]) for l in range(top, 0, -1)}
    return places | {"z1": Place(state=dims[1] if top else 0, evidence=2 * dims[0], value=dims[0])}


def _conditional(kit: Kit, condition: Shape, hidden: Shape, z: Shape) -> nn.Module:
    """Raw Gaussian parameters of z from another latent, through one hidden feature."""
    return nn.Sequential(kit.connect(condition, hidden), kit.gaussian(hidden, z[0]))
