"""The flat variational autoencoder, and the beta-VAE.

    p(x, z) = p(z) p(x | z),   p(z) = N(0, I)                       Kingma and Welling 2013, arXiv 1312.6114, sec. 2-3
    q(z | x) = N(mu(x), sigma(x)^2)                                                                          eq. (9)
    L = E_q[log p(x | z)] - beta KL(q(z | x) || p(z))               eq. (3); Higgins et al. 2017 (beta-VAE), eq. (4)

beta is an objective (`objective.beta`), not a model: every family can have it.

Differences from the paper: two hidden layers of leaky rectifiers where it has one of tanh (`network` mlp-tanh: two of
tanh, as in Burda, Grosse and Salakhutdinov 2015, arXiv 1509.00519).
"""

from __future__ import annotations

from hvae.config.model import VAEConfig
from hvae.levels import DataOnly, Level, Replace, StandardPrior, variance
from hvae.models import TopDown
from hvae.models.conditioning import LAST, Place
from hvae.nn import BottomUp, Constant, Shape
from hvae.zoo.flows import Channels, flows
from hvae.zoo.parts import climb, conditioning, descend, head_for, kit_of


def build(config: VAEConfig, shape: Shape, bits: int) -> TopDown:
    """One level above an encoder and below a decoder that mirror each other."""
    kit = kit_of(config, shape)
    head = head_for(config, shape, bits)
    widths = kit.shapes(shape, config.widths)
    latent = kit.latent(widths[-1], config.latent)
    level = Level(
        "z1",
        prior=StandardPrior(latent),
        posterior=DataOnly(kit.gaussian(widths[-1], config.latent), variance(config.variance)),
        absorb=Replace(descend(kit, [*widths, latent])),
    )
    places = {"z1": Place(evidence=widths[-1][0], value=latent[0]), LAST: Place(state=widths[0][0])}
    return TopDown(
        shape,
        bottom_up=BottomUp({"z1": climb(kit, shape, widths)}),
        start=Constant((1,)),
        levels=[level],
        leave=kit.leave(widths[0], shape, head.width),
        head=head,
        flows=flows(config.flow, {"z1": Channels(latent[0], widths[-1][0])}),
        condition=conditioning(config.condition, places, shape),
    )
