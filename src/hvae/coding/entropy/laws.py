"""The coding forms of the laws of this library, each a row of the registry.

Shapes: `B` batch; `N` all elements, (B, ...) flattened; `K` symbols; `...` the event.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from hvae.coding.entropy.curves import Ints
from hvae.coding.entropy.foretold import Samples
from hvae.coding.entropy.forms import Continuous, Form, Rounded
from hvae.coding.entropy.mixtures import TO_UNIT, WEIGHT_BITS, Channels, Logistics, integers
from hvae.coding.entropy.registry import BUILT_IN, FORMS, Discrete, Listed, form, on_grid, register, unchecked_masses
from hvae.coding.entropy.steady import Uncodable, steady
from hvae.coding.entropy.symbols import Certain, Code, Counted, Cumulative, Even
from hvae.distributions import (
    Bernoulli,
    Categorical,
    Denoising,
    Depth,
    DiscretizedLogistic,
    Fixed,
    GridGaussian,
    Keep,
    LinearPrediction,
    LogisticMixture,
    Moments,
    Normal,
    OverTime,
    Steps,
    Tokens,
)
from hvae.distributions.codebook import UniformCodes
from hvae.distributions.discrete import level_of
from hvae.distributions.independent import IndependentCodes
from hvae.distributions.quantised import BlurredNormal
from hvae.distributions.ranked import AutoregressiveCodes

MOST_LEVELS = 100
"""Of a walk that is coded: each level is a pass of the network in float64 on both sides, and of every picture two."""


@register(Normal)
def _normal(law: Normal) -> Form:
    return Continuous(law.loc, law.scale)


@register(Denoising)
def _denoising(law: Denoising) -> Form:
    return Continuous(law.loc, law.scale)


@register(BlurredNormal)
def _blurred(law: BlurredNormal) -> Form | None:
    return Rounded(law.loc, law.scale) if law.width == 1.0 else None


@register(Bernoulli)
def _bernoulli(law: Bernoulli) -> Form:
    ones = law.logits.double().sigmoid()
    return unchecked_masses(torch.stack([1 - ones, ones], 1), lambda k: on_grid(k, law.logits, 2))


@register(Categorical)
def _categorical(law: Categorical) -> Form:
    return unchecked_masses(law.logits.double().softmax(1), lambda k: on_grid(k, law.mode(), law.levels))


@register(GridGaussian)
def _grid(law: GridGaussian) -> Form:
    return unchecked_masses(law.logits.double().softmax(1), lambda k: on_grid(k, law.loc, law.levels))


@register(Tokens)
def _tokens(law: Tokens) -> Form:
    like = law.logits[:, 0]  # (B, ...)
    p = law.logits.double().softmax(1)
    return replace(unchecked_masses(p, lambda k: torch.from_numpy(k).reshape(like.shape).to(like.dtype)), unit=1.0)


@register(OverTime)
def _over_time(law: OverTime) -> Form | None:
    each = form(law.each)
    if not isinstance(each, Discrete):
        return each
    return replace(each, values=lambda symbols: each.values(symbols).unflatten(0, (-1, law.steps)))


@register(DiscretizedLogistic)
def _discretised(law: DiscretizedLogistic) -> Form:
    def code() -> Code:
        part = steady(law.loc, law.log_scale.double().exp())
        return Logistics(np.full((len(part.loc), 1), 1 << WEIGHT_BITS), [part], law.levels)

    return Discrete(law.levels, code, code, lambda k: on_grid(k, law.loc, law.levels))


@register(LogisticMixture)
def _mixture(law: LogisticMixture) -> Form:
    return Discrete(
        law.levels, lambda: Channels(law), lambda: Channels(law), lambda k: on_grid(k, law.mode(), law.levels)
    )


@register(LinearPrediction)
def _predicted(law: LinearPrediction) -> Form:
    return Discrete(law.levels, lambda: Samples(law), lambda: Samples(law), lambda k: on_grid(k, law.loc, law.levels))


@register(Steps)
def _steps(law: Steps) -> Form:
    if law.count != law.total:
        raise Uncodable(f"a walk that visits {law.count} of {law.total} steps cannot be decoded; visit all to compress")
    return _certain(law.every(), law.total)


@register(Moments)
def _moments(law: Moments) -> Form:
    if not law.is_whole:
        raise Uncodable("a walk of a few moments of its time cannot be decoded; visit all of its levels to compress")
    return _certain(law.every(), law.total)


@register(Depth)
def _depth(law: Depth) -> Form:
    if law.total > MOST_LEVELS:
        raise Uncodable(
            f"a walk of {law.total:,} levels is not coded: each is two passes of the network a picture, and so many "
            f"bins that their grain adds up; train one of at most {MOST_LEVELS} to compress, as in --model.steps 50"
        )
    return _certain(law.sample(), law.total)


def _certain(every: Tensor, total: int) -> Form:
    """What both sides know: (B, T), the same in each row."""

    def code() -> Code:
        return Certain(every.reshape(-1).numpy())

    return Discrete(total, code, code, lambda symbols: every)


@register(Fixed)
def _fixed(law: Fixed) -> Form:
    """What the data determine costs what p says, and nothing comes back."""

    def code() -> Code:
        return Certain(level_of(law.value, law.levels).long().reshape(-1).numpy())

    return Discrete(law.levels, code, code, lambda k: on_grid(k, law.value, law.levels))


@register(Keep)
def _keep(law: Keep) -> Form:
    choice = law.mode()  # (B,): both sides know the context, and neither hides it

    def code() -> Code:
        return Certain(choice.long().numpy())

    return Discrete(2, code, code, lambda symbols: choice)


@register(UniformCodes)
def _uniform_codes(law: UniformCodes) -> Form:
    def fill(choose: Callable[[Cumulative], Ints]) -> Tensor:
        index = choose(Even(math.prod(law.size), len(law.book)))
        return torch.from_numpy(index).view(-1, law.size[0]).T.reshape(law.size)

    return Listed(law.book, law.size, fill)


def weighed(logits: Tensor) -> Cumulative:
    """The code of one symbol a row by its logits, (B, K)."""
    return Counted(integers(logits.double().softmax(1)) << TO_UNIT)


@register(AutoregressiveCodes)
def _autoregressive_codes(law: AutoregressiveCodes) -> Form:
    def fill(choose: Callable[[Cumulative], Ints]) -> Tensor:
        # Step by step on both sides: all positions in one pass would be other numbers in their last bits.
        return law.stepwise(lambda logits: torch.from_numpy(choose(weighed(logits))))

    return Listed(law.book, law.size, fill)


@register(IndependentCodes)
def _independent_codes(law: IndependentCodes) -> Form:
    def fill(choose: Callable[[Cumulative], Ints]) -> Tensor:
        share = law.log_share.double().exp().flatten(2).permute(2, 1, 0)  # (P, K, B)
        index = choose(Counted(integers(share) << TO_UNIT))
        return torch.from_numpy(index).view(-1, law.size[0]).T.reshape(law.size)

    return Listed(law.book, law.size, fill)


BUILT_IN.update(FORMS)
