"""Families of sequences: a latent a step, or one for all of it.  No torch here: `--help` stays quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from hvae.config.bounds import Bound, Repeats, Size, Sizes
from hvae.config.model import FlowingConfig, Merge, ModelConfig, Variance
from hvae.config.ticks import check_heads
from hvae.errors import HvaeError

Cell = Literal["gru", "lstm"]
Prior = Literal["learned", "standard"]
Recurrence = Literal["vrnn", "storn"]
Timing = Literal["paper", "released"]
Reader = Literal["right", "both"]
Network = Literal["recurrent", "transformer"]
ReaderCell = Literal["gru", "lstm", "rectifier"]
Vocabulary = Annotated[int, Bound(least=0, most=10**6)]


@dataclass(frozen=True, kw_only=True)
class SequenceConfig(ModelConfig):
    """What every family of sequences shares."""

    variance: Variance = "softplus"
    """How latent scales stay positive and finite: softplus, softclamp (5 tanh(x/5)), clamp (log-variance within 7), exp
    (nothing but the exponential), above-one (sqrt(1 + e^x), BIVA's), below-two (softclamp where
    x < 0, 2 - e^-x above)."""
    vocabulary: Vocabulary = 0
    """How many tokens text has (0: as many as the data say)."""
    order: Annotated[int, Bound(least=1, most=256)] = 8
    """Of likelihood predictive, for frames of sound: samples before one, in its frame, by which it is foretold."""


@dataclass(frozen=True, kw_only=True)
class TruncatedConfig(SequenceConfig):
    """What those share whose latents go on in time."""

    truncate: Annotated[int, Bound(least=0, most=10**6)] = 0
    """Steps after which gradients stop on their way back in time, while the state goes on (0: never); of a cwvae a
    multiple of its slowest stride."""


MOVABLE = ("normal", "student")
"""Likelihoods with a location and a scale for each real number."""


@dataclass(frozen=True, kw_only=True)
class LaggedConfig(TruncatedConfig):
    """What those share whose data depend on the data before them.

    >>> LaggedConfig(lags=2)
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: model.lags: predicts real numbers, got likelihood bernoulli; set it to normal or student
    """

    lags: Annotated[int, Bound(least=0, most=64)] = 0
    """Of real numbers (likelihood normal or student): last steps by which each number is predicted before the network
    speaks, as in an autoregression AR(lags) of its own.  What the network says is of the rest, in units of its standard
    deviation (0: none)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lags and self.likelihood not in MOVABLE:
            raise HvaeError(
                f"model.lags: predicts real numbers, got likelihood {self.likelihood}; set it to normal or student"
            )


@dataclass(frozen=True, kw_only=True)
class VRNNConfig(LaggedConfig):
    """Variational recurrent network: a latent a step inside a recurrent state (with other keys VRNN-I and STORN)."""

    family: ClassVar[str] = "vrnn"

    latent: Size = 32
    """Latent dimensions of a step."""
    state: Size = 128
    """Width of the recurrent state."""
    width: Size = 128
    """Width of the hidden layers of all other networks."""
    layers: Repeats = 1
    """Hidden layers of the networks of the data, the posterior and the likelihood; the others have one."""
    cell: Cell = "gru"
    """The recurrent cell: gru or lstm."""
    prior: Prior = "learned"
    """The prior of a step: learned from the state (VRNN), or standard (VRNN-I and STORN)."""
    recurrence: Recurrence = "vrnn"
    """vrnn: a latent enters the state after the data of its step; storn: before them, and the posterior reads the data
    so far by a recurrence of its own."""
    posterior: Merge = "residual-mean"
    """How the state and the data merge in a vrnn's posterior: concat (the paper), residual-mean (its mean added to the
    prior's), residual, precision, linear."""


@dataclass(frozen=True, kw_only=True)
class SRNNConfig(LaggedConfig):
    """Stochastic recurrent network: a chain of latents above a deterministic recurrence, inferred backwards in time."""

    family: ClassVar[str] = "srnn"

    latent: Size = 32
    """Latent dimensions of a step."""
    state: Size = 128
    """Width of both recurrences: of the data before a step, and of the data from it on."""
    width: Size = 128
    """Width of the hidden layers of all networks."""
    layers: Repeats = 1
    """Hidden layers of each network."""
    cell: Cell = "gru"
    """The recurrent cell: gru or lstm."""
    posterior: Merge = "residual-mean"
    """How the last latent and the data merge: residual-mean (its mean added to the prior's, as in the paper), concat,
    residual, precision, linear."""
    timing: Timing = "paper"
    """What a step sees of the data: all before it (paper), or all but the last step before it, as the code of others
    that is most used computes it (released)."""


@dataclass(frozen=True, kw_only=True)
class DMMConfig(TruncatedConfig, FlowingConfig):
    """Deep Markov model: a chain of latents that alone make the data, inferred backwards in time."""

    family: ClassVar[str] = "dmm"

    latent: Size = 64
    """Latent dimensions of a step."""
    transition: Size = 128
    """Hidden width of the gated transition."""
    width: Size = 100
    """Width of the hidden layers of the likelihood."""
    layers: Repeats = 2
    """Hidden layers of the likelihood."""
    state: Size = 256
    """Width of what reads the data."""
    reader: Reader = "right"
    """What inference reads of the data: the step and all after it (right), or all of them (both)."""
    cell: ReaderCell = "gru"
    """The recurrent cell of the reader: gru, lstm, or rectifier (a plain recurrence)."""
    posterior: Merge = "concat"
    """How the last latent and the data merge: concat (the average of both, as in the paper), residual-mean (added to
    the prior's mean), residual, precision, linear."""


@dataclass(frozen=True, kw_only=True)
class VRAEConfig(SequenceConfig):
    """Variational recurrent autoencoder: a latent (or a ladder of them) for a whole sequence: text, short melodies."""

    family: ClassVar[str] = "vrae"

    latents: Sizes = (32,)
    """Latent dimensions of each level, z1 (nearest the data) first; one entry is the published model."""
    state: Size = 256
    """Width of the recurrences of the encoder, each direction, and of the decoder."""
    width: Size = 128
    """Width of an embedded step (a word vector, for text) and of all hidden layers."""
    layers: Repeats = 1
    """Hidden layers of the networks of a step and of the likelihood."""
    cell: Cell = "gru"
    """The recurrent cell: gru or lstm."""
    posterior: Merge = "residual"
    """How the summary and the latent above merge, below the top of a ladder."""
    encoder: Network = "recurrent"
    """What reads the sequence, once forwards and once backwards: recurrent (`cell`), or a causal transformer."""
    decoder: Network = "recurrent"
    """What tells it: recurrent (`cell`), or a causal transformer, whose first memory is the latent."""
    blocks: Repeats = 2
    """Of a transformer: blocks of attention, of width `state`."""
    heads: Annotated[int, Bound(least=1, most=256)] = 4
    """Of a transformer: heads, so many that twice of them divide `state`."""
    memory: Annotated[int, Bound(least=0, most=10**6)] = 128
    """Of a transformer: how many steps back each block hears (Transformer-XL)."""
    chunk: Annotated[int, Bound(least=0, most=10**6)] = 0
    """Of a transformer: steps of a chunk from which gradients do not go back into the one before, while its memory is
    heard (0: no chunks)."""
    bar: Annotated[int, Bound(least=0, most=10**6)] = 0
    """Steps of a bar: z1 is a latent of each bar, under a conductor that goes from bar to bar below the latents of the
    whole, and the decoder begins each bar anew (0: no bars)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if "transformer" in (self.encoder, self.decoder):
            check_heads("state", self.state, self.heads)
        if self.bar and len(self.latents) == 1:
            raise HvaeError(
                f"model.bar: bars of {self.bar} steps have a latent each below those of the whole, expected at least 2 "
                f"entries of model.latents, got {self.latents[0]}; e.g. 16,32"
            )


@dataclass(frozen=True, kw_only=True)
class STCNConfig(SequenceConfig):
    """Stochastic temporal convolutional network: a ladder at each step above dilated causal convolutions."""

    family: ClassVar[str] = "stcn"

    latents: Sizes = (32, 16, 8)
    """Latent dimensions of each level, z1 (nearest the data) first."""
    dilations: Sizes = (1, 2, 4)
    """Steps between what a layer hears, of each layer below a level: every level has so many layers above those of the
    level below it."""
    kernel: Annotated[int, Bound(least=2, most=64)] = 2
    """How many steps a layer hears, its own among them."""
    width: Size = 128
    """Width of the convolutions and of all hidden layers."""
    layers: Repeats = 1
    """Hidden layers of the networks of a step: data, priors, posteriors and likelihood."""
    posterior: Merge = "precision"
    """How prior and data merge at each level: precision (the paper), concat, residual, residual-mean or linear."""
    dense: bool = True
    """Whether the data of a step see all its latents, or z1 alone, above which levels then tend to sleep."""
