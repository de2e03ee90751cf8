"""The variational ladder autoencoder: independent latents, told apart only by the depth at which they enter.

    p(z) = prod_l N(z_l; 0, I)                                              Zhao, Song and Ermon 2017, arXiv 1702.08396,
    ztilde_L = f_L(z_L),  ztilde_l = f_l([ztilde_{l+1}, v_l(z_l)])          sec. 4.1 (generation)
    x ~ r(x; f_0(ztilde_1))
    h_l = g_l(h_{l-1}),  q(z_l | x) = N(mu_l(h_l), sigma_l(h_l)^2)          sec. 4.2 (inference)

Each latent is a vector; simple features are left to the shallow ones, abstract features to the deep ones.
"""

from __future__ import annotations

from torch import nn

from hvae.config.model import VLAEConfig
from hvae.levels import DataOnly, Join, Level, Raise, Replace, StandardPrior, variance
from hvae.models import TopDown
from hvae.models.conditioning import LAST, Place
from hvae.nn import BottomUp, Constant, Kit, Shape, from_vector, to_gaussian
from hvae.zoo.flows import Channels, flows
from hvae.zoo.grown import crown
from hvae.zoo.parts import conditioning, head_for, kit_of, same_length


def build(config: VLAEConfig, shape: Shape, bits: int) -> TopDown:
    """One feature and one latent vector a depth."""
    same_length(config, config.latents, config.widths)
    kit = kit_of(config, shape)
    head = head_for(config, shape, bits)
    widths = kit.shapes(shape, config.widths)
    up = {"z1": kit.enter(shape, widths[0])}
    up |= {f"z{l + 1}": kit.connect(widths[l - 1], widths[l]) for l in range(1, len(widths))}
    added = crown(config, kit, len(widths), widths[-1], widths[-1])
    places = {f"z{l + 1}": Place(evidence=widths[l][0], value=config.latents[l]) for l in reversed(range(len(widths)))}
    places[LAST] = Place(state=widths[0][0])
    return added.walk(
        shape,
        bottom_up=BottomUp(up | added.features),
        start=Constant(widths[-1] if added.levels else (1,)),
        levels=[*added.levels, *(_level(config, kit, widths, l) for l in reversed(range(len(widths))))],
        leave=kit.leave(widths[0], shape, head.width),
        head=head,
        flows=flows(config.flow, {f"z{l + 1}": Channels(d, widths[l][0]) for l, d in enumerate(config.latents)}),
        condition=conditioning(config.condition, places, shape),
    )


def _level(config: VLAEConfig, kit: Kit, widths: list[Shape], l: int) -> Level:
    h, below, dims = widths[l], widths[max(l - 1, 0)], config.latents[l]
    inject, both = from_vector(dims, h), (2 * h[0], *h[1:])
    return Level(
        f"z{l + 1}",
        prior=StandardPrior((dims,)),
        posterior=DataOnly(to_gaussian(h, dims), variance(config.variance)),
        absorb=_top(config, inject, kit.connect(h, below))
        if l == len(widths) - 1
        else Join(inject, kit.connect(both, below)),
    )


def _top(config: VLAEConfig, inject: nn.Module, network: nn.Module) -> nn.Module:
    """Of its latent alone, or of the state too, where levels were grown that move it."""
    both = nn.Sequential(inject, network)
    return Raise(both) if config.grown else Replace(both)
