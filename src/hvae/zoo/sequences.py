"""What the families of sequences are built from: steps in, steps out.

Shapes: one step of the data is (), a token, or (D,) or (C, h, w); the data are (T, *step).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import nn

from hvae.config.clockwork import CWVAEConfig
from hvae.config.seqladder import SeqLadderConfig
from hvae.config.sequences import LaggedConfig, SequenceConfig, STCNConfig, VRAEConfig
from hvae.errors import HvaeError
from hvae.levels import Join, LearnedPrior, Level, merge, variance
from hvae.levels.heads import Head
from hvae.levels.predictive import PredictiveHead
from hvae.levels.steps import REAL, TokenHead
from hvae.nn import Shape
from hvae.nn.memory import FirstMemory, MemoryTransformer
from hvae.nn.mlp import FromMarginal, dense, near_one
from hvae.nn.recurrence import FirstCarry, Lags, memory_size, over_time, skip
from hvae.nn.steps import Centred, Heard, Token
from hvae.range import ANY, UNIT, Limits
from hvae.zoo.parts import head_for


def step_of(config: SequenceConfig, shape: Shape) -> Shape:
    """The shape of one step of the data.  Raises HvaeError for data that are no sequences."""
    if len(shape) not in (1, 2, 4):
        raise HvaeError(
            f"{config.family} needs sequences (T, D), tokens (T,) or frames (T, C, H, W), got data of shape "
            f"{tuple(shape)}; for images choose model.family ladder"
        )
    if len(shape) == 1 and config.vocabulary < 2:
        raise HvaeError(
            f"{config.family} of tokens (T,) needs to know how many there are: expected model.vocabulary of at least "
            f"2, got {config.vocabulary}"
        )
    return tuple(shape[1:])


def limits_of(config: SequenceConfig, step: Shape, bits: int) -> Limits:
    """The range of the data: tokens are whole numbers, n-bit values lie in [0, 1], 0 bits are any number."""
    if not step:
        return 0.0, config.vocabulary - 1.0
    return UNIT if bits else ANY


def step_head(config: SequenceConfig, step: Shape, bits: int) -> Head:
    """The likelihood of one step.  Raises HvaeError for a density of data that lie on a grid, and the reverse."""
    if not step:
        return TokenHead(config.vocabulary)
    if bits and config.likelihood == "predictive":
        return PredictiveHead(step, 2**bits, mixtures=config.mixtures, order=config.order)
    if bits and config.likelihood not in REAL:
        return head_for(config, step, bits)
    if bits or config.likelihood not in REAL:
        kind = f"{bits}-bit data" if bits else "real-valued data"
        advice = "another likelihood than normal" if bits else f"one of {', '.join(REAL)}"
        raise HvaeError(f"model.likelihood: {config.likelihood} is no likelihood of {kind}; choose {advice}")
    return REAL[config.likelihood](step, config.mixtures)


def lags_of(config: LaggedConfig, head: Head) -> Lags | None:
    """What the last steps say of the next before the network does; None where nothing is asked for."""
    return Lags(config.lags, math.prod(head.shape)) if config.lags else None


def embedding(config: SequenceConfig, step: Shape, width: int, layers: int) -> nn.Sequential:
    """One step to `width` numbers: a vector a token, else so many hidden layers."""
    if not step:
        return nn.Sequential(Token(config.vocabulary, width))
    if config.likelihood == "predictive":
        size = step[0]
        return nn.Sequential(Centred(step), Heard(size), *hidden(size + size // 2 + 1, width, layers))
    return nn.Sequential(Centred(step), nn.Flatten(), *hidden(math.prod(step), width, layers))


def hidden(inputs: int, width: int, layers: int) -> list[nn.Module]:
    """So many hidden layers of one width."""
    return [dense(inputs if i == 0 else width, width) for i in range(layers)]


def to_gaussian(inputs: int, width: int, layers: int, dims: int) -> nn.Sequential:
    """Hidden layers, then the raw parameters of a Gaussian."""
    return nn.Sequential(*hidden(inputs, width, layers), near_one(nn.Linear(width if layers else inputs, 2 * dims)))


def ticking(config: CWVAEConfig | VRAEConfig, name: str, dims: int, message: nn.Module | None = None) -> Level:
    """A level on the state s of its recurrence, with e (B, `width`), or what `message` reads: m = [s, z].

    p(z | s),   q(z | s, e) merged as `posterior` says
    """
    positive, width, state = variance(config.variance), config.width, config.state
    memory = memory_size(config.cell, state)
    networks: dict[str, Callable[[], nn.Module]] = {
        "message": lambda: message or to_gaussian(width, width, 1, dims),
        "joint": lambda: nn.Sequential(skip(memory), *to_gaussian(state + width, width, 1, dims)),
        "linear": lambda: nn.Sequential(skip(memory), *to_gaussian(state + width, width, 0, dims)),
    }
    return Level(
        name,
        prior=LearnedPrior(nn.Sequential(skip(memory), *to_gaussian(state, width, 1, dims)), positive),
        posterior=merge(config.posterior, positive, networks),
        absorb=Join(nn.Identity(), nn.Identity()),
    )


def latent(
    config: STCNConfig | SeqLadderConfig, l: int, *, state: int, evidence: int, absorb: nn.Module, layers: int
) -> Level:
    """Level l, counted from 0, the lowest, at one step: of its state (N, S) and its evidence (N, E).

    p(z | s),   q(z | s, e) merged as `posterior` says,   s <- absorb(s, z)
    """
    positive, width, dims = variance(config.variance), config.width, config.latents[l]
    networks = {
        "message": lambda: to_gaussian(evidence, width, layers, dims),
        "joint": lambda: to_gaussian(state + evidence, width, layers, dims),
        "linear": lambda: to_gaussian(state + evidence, width, 0, dims),
    }
    return Level(
        f"z{l + 1}",
        prior=LearnedPrior(to_gaussian(state, width, layers, dims), positive),
        posterior=merge(config.posterior, positive, networks),
        absorb=absorb,
    )


def series_over(config: VRAEConfig | SeqLadderConfig, network: str, inputs: int) -> nn.Module:
    """What goes through the steps of a sequence, (u (B, T, U), carry or None) -> (h (B, T, `state`), carry): a
    "recurrent" network, or else a causal Transformer with a memory."""
    if network == "recurrent":
        return over_time(config.cell, inputs, config.state)
    more = {"blocks": config.blocks, "heads": config.heads, "memory": config.memory, "chunk": config.chunk}
    return MemoryTransformer(inputs, config.state, **more)


def first_carry(config: VRAEConfig | SeqLadderConfig, plan: int) -> nn.Module:
    """The plan (B, P) to what the decoder carries into its first step."""
    if config.decoder == "recurrent":
        return FirstCarry(config.cell, plan, config.state)
    return FirstMemory(plan, config.state, config.blocks)


def leaving(inputs: int, width: int, layers: int, head: Head) -> nn.Sequential:
    """Hidden layers, then raw likelihood parameters that start at the marginal of the data."""
    return nn.Sequential(*hidden(inputs, width, layers), FromMarginal(width, head.width, head.shape[1:]))
