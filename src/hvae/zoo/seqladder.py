r"""The ladder above a sequence: latents at ever coarser steps, by Transformer blocks that merge on the way up.

    e^0 = f^0(u_1 .. u_T),   e^l = f^l(V_l [e^{l-1} of each window of s_l / s_{l-1} ticks])      the way up
    h^L_k = a + P w(k),   h^l = g^l(U_l h^{l+1}),   h^l <- h^l + W_l z^l                          the way down
    p(z^l_k | h^l_k) = N(mu_p, sigma_p^2),   q(z^l_k | h^l_k, e^l_k) merged as `posterior` says
    c = g^0(U_0 h^1),   p(x_t | c_t)  (`decoder` factorised)  or  p(x_t | x_{<t}, c_{<=t})

z^l has a tick at each s_l-th step (`strides`).  f^l are blocks in which each tick that exists hears all others, g^l
blocks in which it hears those before it (Vaswani et al. 2017, arXiv 1706.03762, norms first), both fading with the
distance (Press et al. 2021, arXiv 2108.12409).  V merges a window by one linear map, U gives each place of a tick its
own; Transformers that are shortened, and widened again: Dai et al. 2020 (Funnel), arXiv 2006.03236; Nawrot et al. 2021
(Hourglass), arXiv 2110.13711.  w(k) are sines and cosines.  The ladder is that of Sonderby et al. 2016, arXiv
1602.02282, its residual posterior that of Vahdat and Kautz 2020, arXiv 2007.03898; several latents in a Transformer of
text: Hu et al. 2022 (DELLA), arXiv 2207.06130, there one of the whole at each layer.

No state on the way down hears of a tick that begins later.  The law of a sequence is then that of the beginning of any
longer one: how long it is must be told by its end token, and is charged, as in every other family of sequences here.
Ticks of the top level are independent; one whose stride is as long as the sequences is a latent of the whole.

A condition y enters h^l of each tick as p, q and all below read it, and e^l; under the name of the data c_t, or u_{t-1}
as a decoder hears it.

A decoder that hears its past (recurrent, or a causal Transformer: zoo/vrae.py) gets c_t at every step; `objective.keep`
is its word dropout.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from hvae.config.seqladder import SeqLadderConfig
from hvae.levels import Add
from hvae.models.conditioning import LAST, Place
from hvae.models.narrator import Narrator
from hvae.models.tiers import Chorus, Descent, Tier
from hvae.nn import Shape, Start
from hvae.nn.climb import Climb, Mutual
from hvae.nn.fading import Fading
from hvae.nn.ticks import Merge, Numbered, Split
from hvae.nn.transformer import CausalBlock, MutualBlock
from hvae.walk import Model
from hvae.zoo.parts import conditioning
from hvae.zoo.sequences import (
    embedding,
    first_carry,
    latent,
    leaving,
    limits_of,
    series_over,
    step_head,
    step_of,
)


def build(config: SeqLadderConfig, shape: Shape, bits: int) -> Model:
    """Blocks up, levels down, and a likelihood of all steps at once or of one after another."""
    step, width = step_of(config, shape), config.width
    head = step_head(config, step, bits)
    if config.decoder == "factorised":
        return Chorus(
            shape,
            limits=limits_of(config, step, bits),
            embed=embedding(config, step, width, config.layers),
            reader=_climb(config),
            start=Start((width,)),
            conduct=_descent(config),
            leave=leaving(width, width, config.layers, head),
            head=head,
            condition=conditioning(config.condition, _places(config, Place(state=width))),
        )
    return Narrator(
        shape,
        limits=limits_of(config, step, bits),
        embed=embedding(config, step, width, config.layers),
        reader=_climb(config),
        climb=nn.Identity(),
        start=Start((width,)),
        levels=[],
        conduct=_descent(config),
        first=Start((width,)),
        carry=first_carry(config, width),
        decoder=series_over(config, config.decoder, 2 * width),
        leave=leaving(config.state, width, config.layers, head),
        head=head,
        condition=conditioning(config.condition, _places(config, Place(past=width))),
    )


def _places(config: SeqLadderConfig, last: Place) -> dict[str, Place]:
    """The state of each tick and what inference reads of it; `last`, what the likelihood or a decoder reads."""
    names = [f"z{l}" for l in range(len(config.latents), 0, -1)]
    return {**{name: Place(state=config.width, evidence=config.width) for name in names}, LAST: last}


def _ratios(config: SeqLadderConfig) -> list[int]:
    """Ticks of the level below (of the lowest: steps) in one of each, the lowest first."""
    return [b // a for a, b in pairwise((1, *config.strides))]


def _climb(config: SeqLadderConfig) -> Climb:
    names = [f"z{l}" for l in range(1, len(config.latents) + 1)]
    return Climb(
        dict(zip(names, config.strides, strict=True)),
        steps=_mutual(config),
        merges=[Merge(config.width, ratio) for ratio in _ratios(config)],
        blocks=[_mutual(config) for _ in names],
    )


def _mutual(config: SeqLadderConfig) -> Mutual:
    width, heads = config.width, config.heads
    return Mutual(width, heads, [MutualBlock(width, heads, config.dropout) for _ in range(config.blocks)])


def _causal(config: SeqLadderConfig) -> nn.Sequential:
    width, heads = config.width, config.heads
    blocks = [CausalBlock(width, heads, config.dropout, Fading(heads)) for _ in range(config.blocks)]
    return nn.Sequential(*blocks, nn.LayerNorm(width))


def _descent(config: SeqLadderConfig) -> Descent:
    ratios = _ratios(config)
    splits = [*(Split(config.width, ratio) for ratio in ratios[1:]), nn.Identity()]  # into the ticks of each level
    tiers = [_tier(config, l, split) for l, split in enumerate(splits)]
    return Descent(
        number=Numbered(config.width),
        tiers=tiers[::-1],
        split=Split(config.width, ratios[0]),
        leave=_causal(config),
    )


def _tier(config: SeqLadderConfig, l: int, split: nn.Module) -> Tier:
    """Level l, counted from 0, the lowest."""
    width = config.width
    absorb = Add(nn.Linear(config.latents[l], width), nn.Identity())
    level = latent(config, l, state=width, evidence=width, absorb=absorb, layers=1)
    return Tier(stride=config.strides[l], split=split, enter=_causal(config), level=level)
