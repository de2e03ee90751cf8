"""The ladder above a sequence.  No torch here: `--help` stays quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from hvae.config.bounds import Bound, Probability, Repeats, Size, Sizes
from hvae.config.model import Merge
from hvae.config.sequences import Cell, SequenceConfig
from hvae.config.ticks import check_heads, check_strides

Decoder = Literal["factorised", "recurrent", "transformer"]


@dataclass(frozen=True, kw_only=True)
class SeqLadderConfig(SequenceConfig):
    """Ladder above a sequence: latents at ever coarser steps by Transformer blocks; text, music, long signals.

    >>> SeqLadderConfig(width=100)
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: model.width: expected a multiple of twice the 4 heads of a transformer, got 100; e.g. 96
    """

    family: ClassVar[str] = "seqladder"

    latents: Sizes = (8, 16, 32)
    """Latent dimensions of a tick of each level, z1 (nearest the data) first."""
    strides: Sizes = (2, 8, 32)
    """Steps from one tick of a level to the next, z1 first, each a multiple of the one before."""
    width: Size = 128
    """Width of an embedded step, of all Transformer blocks above the decoder and of all hidden layers."""
    blocks: Repeats = 1
    """Transformer blocks at the steps and at the ticks of each level, as many on the way down as up, and in a decoder
    that is one."""
    heads: Annotated[int, Bound(least=1, most=256)] = 4
    """Heads of each block, so many that twice of them divide `width` (and `state`)."""
    dropout: Probability = 0.0
    """Dropout in the blocks on both ways."""
    layers: Repeats = 1
    """Hidden layers of the networks of a step that is no token, and of the likelihood."""
    posterior: Merge = "residual"
    """How the state and the data merge at each level: residual, residual-mean, precision, concat or linear."""
    decoder: Decoder = "factorised"
    """What tells the steps: factorised (all at once, independent given the latents), or one after another, each having
    heard those before it: recurrent (`cell`), or a causal transformer."""
    state: Size = 192
    """Width of a decoder that is not factorised."""
    cell: Cell = "gru"
    """The recurrent cell of a recurrent decoder: gru or lstm."""
    memory: Annotated[int, Bound(least=0, most=10**6)] = 128
    """Of a transformer decoder: how many steps back each block hears (Transformer-XL)."""
    chunk: Annotated[int, Bound(least=0, most=10**6)] = 0
    """Of a transformer decoder: steps of a chunk from which gradients do not go back into the one before (0: none)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_strides(self.strides, self.latents)
        check_heads("width", self.width, self.heads)
        if self.decoder == "transformer":
            check_heads("state", self.state, self.heads)
