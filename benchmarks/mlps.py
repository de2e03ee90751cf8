"""Training steps of the families of dense layers as one would write them by hand for each alone.

The networks are those of the model that `build` makes, so that both sides have the same weights; everything else (the
draws, the divergences in closed form, the likelihood and their sums) is written out and fused as far as PyTorch's own
functions go.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from hvae.config.model import LVAEConfig, MarkovConfig, ModelConfig, VAEConfig, VLAEConfig
from hvae.models import Markov, TopDown
from hvae.walk import Model

MLPS: dict[str, ModelConfig] = {
    "vae": VAEConfig(),
    "lvae": LVAEConfig(),
    "vlae": VLAEConfig(),
    "markov": MarkovConfig(),
}


def standard(loc: Tensor, scale: Tensor) -> Tensor:
    """The sum of KL(q || N(0, 1))."""
    return 0.5 * (loc.square() + scale.square() - 1).sum() - scale.log().sum()


def between(q: tuple[Tensor, Tensor], p: tuple[Tensor, Tensor]) -> Tensor:
    """The sum of KL(q || p)."""
    ratio = q[1] / p[1]
    return 0.5 * (ratio.square() + ((q[0] - p[0]) / p[1]).square() - 1).sum() - ratio.log().sum()


def sample(loc: Tensor, scale: Tensor) -> Tensor:
    return torch.addcmul(loc, scale, torch.randn_like(loc))


def split(raw: Tensor, positive: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    loc, scale = raw.chunk(2, 1)
    return loc, positive(scale)


def bits(model: TopDown | Markov, h: Tensor, x: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(model.leave(h), x, reduction="sum")


def vae(model: Model, x: Tensor) -> Tensor:
    """The flat VAE, and VLAE, whose latents are independent of each other."""
    assert isinstance(model, TopDown)
    features, h, total = model.bottom_up(x), model.start(len(x)), x.new_zeros(())
    for name, level in model.levels.items():
        q = split(level.posterior.network(features[name]), level.posterior.positive)
        h = level.absorb(h, sample(*q))
        total = total + standard(*q)
    return (total + bits(model, h, x)) / len(x)


def lvae(model: Model, x: Tensor) -> Tensor:
    assert isinstance(model, TopDown)
    features, total = model.bottom_up(x), x.new_zeros(())
    (top, first), *rest = model.levels.items()
    q = split(first.posterior.network(features[top]), first.posterior.positive)
    h, total = first.absorb(features[top], sample(*q)), total + standard(*q)
    for name, level in rest:
        p = split(level.prior.network(h), level.prior.positive)
        loc, scale = split(level.posterior.network(features[name]), level.posterior.positive)
        w = p[1].square() / (p[1].square() + scale.square())
        q = torch.lerp(p[0], loc, w), scale * w.sqrt()
        h, total = level.absorb(h, sample(*q)), total + between(q, p)
    return (total + bits(model, h, x)) / len(x)


def markov(model: Model, x: Tensor) -> Tensor:
    """Two chains: below the top the divergence is the difference of two log-densities at the value."""
    assert isinstance(model, Markov)
    names, total, values = list(model.inference), x.new_zeros(()), {}
    value = x
    for name in names:
        loc, scale = split(model.inference[name](value), model.positive)
        noise = torch.randn_like(loc)
        value = values[name] = torch.addcmul(loc, scale, noise)
        if name == names[-1]:
            total = total + standard(loc, scale)
        else:
            total = total - 0.5 * noise.square().sum() - scale.log().sum()
    for below, above in pairwise(names):
        loc, scale = split(model.generation[below](values[above]), model.positive)
        total = total + 0.5 * ((values[below] - loc) / scale).square().sum() + scale.log().sum()
    return (total + bits(model, values[names[0]], x)) / len(x)


BY_HAND: dict[str, Callable[[Model, Tensor], Tensor]] = {"vae": vae, "lvae": lvae, "vlae": vae, "markov": markov}
