"""A context above all levels, and the data's decoder that hears every latent.  No torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from hvae.config.bounds import Bound, Repeats, Size
from hvae.config.parse import Section

Coarse = Annotated[int, Bound(least=0, most=1 << 14)]


@dataclass(frozen=True, kw_only=True)
class ContextConfig(Section):
    """A top latent that no network infers, the lowest frequencies of the datum in few values, and the diffusion that is
    its prior.

    >>> ContextConfig(size=4).steps
    10
    """

    at: ClassVar[str] = "model.context"

    size: Coarse = 0
    """Frequencies of the cosine transform in each direction that the context holds of each channel; 0: no context."""
    bits: Annotated[int, Bound(least=1, most=8)] = 3
    """Bits of each frequency: it takes 2^bits values between the least and the most of the first batch of data."""
    steps: Annotated[int, Bound(least=1, most=100)] = 10
    """Levels of the diffusion below its top; every walk visits all of them."""
    width: Size = 128
    """Hidden units of the network of the diffusion."""
    blocks: Repeats = 2
    """Its residual blocks."""


@dataclass(frozen=True, kw_only=True)
class ContextualConfig(Section):
    """What deep families share whose levels may hear a context, and whose data may hear every level."""

    context: ContextConfig = field(default_factory=ContextConfig)
    """A context prior: the lowest frequencies of the datum as the top latent, with a diffusion as its prior."""
    aggregate: bool = False
    """Whether the likelihood hears every latent itself, beside the state that they left."""
