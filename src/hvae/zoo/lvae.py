"""The Ladder VAE: deterministic features up, levels down, each posterior a precision-weighted merge of both sides.

    d_l = MLP(d_{l-1}),  muhat_l = Linear(d_l),  sigmahat_l^2 = Softplus(Linear(d_l))    Sonderby et al. 2016, arXiv
    sigma_l^2 = 1 / (sigmahat_l^-2 + sigma_{p,l}^-2)                                     1602.02282, sec. 2.1
    mu_l = sigma_l^2 (muhat_l sigmahat_l^-2 + mu_{p,l} sigma_{p,l}^-2)
    q(z_l | z_{l+1}, x) = N(mu_l, sigma_l^2);  at the top q(z_L | x) = N(muhat_L, sigmahat_L^2)

The generative model is that of `markov`; only inference differs.  `model.posterior` exchanges the merge.

Difference from the paper: the positive map of the scales is `model.variance`.
"""

from __future__ import annotations

from torch import nn

from hvae.config.model import LVAEConfig
from hvae.levels import DataOnly, LearnedPrior, Level, Replace, StandardPrior, merge, variance
from hvae.models import TopDown
from hvae.models.conditioning import LAST, Place
from hvae.nn import BottomUp, Constant, Kit, Shape
from hvae.zoo.flows import Channels, flows
from hvae.zoo.grown import crown, lifted
from hvae.zoo.parts import conditioning, head_for, kit_of, same_length


def build(config: LVAEConfig, shape: Shape, bits: int) -> TopDown:
    """One feature, one state and one level a depth; the state is a function of the latent above alone."""
    same_length(config, config.latents, config.widths)
    kit = kit_of(config, shape)
    head = head_for(config, shape, bits)
    widths = kit.shapes(shape, config.widths)
    depth = len(widths)
    added = crown(config, kit, depth, widths[-1], widths[-1])
    levels = [
        *added.levels,
        _top(config, kit, widths),
        *(_level(config, kit, widths, l) for l in range(depth - 2, -1, -1)),
    ]
    up = {"z1": kit.enter(shape, widths[0])}
    up |= {f"z{l + 1}": kit.connect(widths[l - 1], widths[l]) for l in range(1, depth)}
    return added.walk(
        shape,
        bottom_up=BottomUp(up | added.features),
        start=Constant(widths[-1] if added.levels else (1,)),
        levels=levels,
        leave=kit.leave(widths[0], shape, head.width),
        head=head,
        flows=flows(config.flow, {f"z{l + 1}": Channels(d, widths[l][0]) for l, d in enumerate(config.latents)}),
        condition=conditioning(config.condition, _places(config, widths), shape),
    )


def _places(config: LVAEConfig, widths: list[Shape]) -> dict[str, Place]:
    """The top reads no state: its prior is a standard normal."""
    top = len(widths) - 1
    levels = {
        f"z{l + 1}": Place(state=widths[l][0] if l < top else 0, evidence=widths[l][0], value=config.latents[l])
        for l in range(top, -1, -1)
    }
    return {**levels, LAST: Place(state=widths[0][0])}


def _absorb(config: LVAEConfig, kit: Kit, widths: list[Shape], l: int) -> Replace:
    """z_l to the state of the level below it (of z1: to the state the likelihood reads)."""
    return Replace(kit.connect(kit.latent(widths[l], config.latents[l]), widths[max(l - 1, 0)]))


def _top(config: LVAEConfig, kit: Kit, widths: list[Shape]) -> Level:
    l, dims = len(widths) - 1, config.latents[-1]
    return Level(
        f"z{l + 1}",
        prior=lifted(kit, widths[l], dims) if config.grown else StandardPrior(kit.latent(widths[l], dims)),
        posterior=DataOnly(kit.gaussian(widths[l], dims), variance(config.variance)),
        absorb=_absorb(config, kit, widths, l),
    )


def _level(config: LVAEConfig, kit: Kit, widths: list[Shape], l: int) -> Level:
    h, dims, positive = widths[l], config.latents[l], variance(config.variance)
    both = (2 * h[0], *h[1:])
    networks = {
        "message": lambda: kit.gaussian(h, dims),
        "linear": lambda: kit.gaussian(both, dims),
        "joint": lambda: _joint(kit, both, h, dims),
    }
    return Level(
        f"z{l + 1}",
        prior=LearnedPrior(kit.gaussian(h, dims), positive),
        posterior=merge(config.posterior, positive, networks),
        absorb=_absorb(config, kit, widths, l),
    )


def _joint(kit: Kit, both: Shape, h: Shape, dims: int) -> nn.Module:
    return nn.Sequential(kit.connect(both, h), kit.gaussian(h, dims))
