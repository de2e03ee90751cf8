"""What an evaluation can be told, and the conventions of published ones by name.  No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hvae.errors import HvaeError


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a paper measured: `about` it, K `samples` a datum, and whether the likelihood is the `published` one.

    Where a published likelihood is not quite one (its masses do not sum to 1), the same weights can be read with the
    corrected one; the two numbers differ and are never mixed.  All of them score every datum, the last batch too, with
    the averaged weights where there are any.
    """

    about: str
    samples: int
    published: bool


PROTOCOLS: dict[str, Protocol] = {
    "hvae": Protocol(about="importance-weighted bound, corrected likelihood", samples=100, published=False),
    "vdvae": Protocol(
        about="one-sample ELBO, as Child 2021 (which leaves out the last batch)", samples=1, published=True
    ),
    "nvae": Protocol(about="IW-1000, as Vahdat and Kautz 2020", samples=1000, published=True),
}
"""The conventions by name."""

CORRECTED: Mapping[str, Mapping[str, str]] = {
    "vdvae": {"dmol-vdvae5": "dmol-vdvae5-exact"},
    "nvae": {"dmol-nvae": "dmol"},
}
"""By family: each published likelihood whose masses do not sum to 1, and the corrected reading of the same weights."""


def reading(family: str, likelihood: str, published: bool) -> str:
    """The likelihood that the weights of a family are read with: the published one, or the corrected one.

    >>> reading("vdvae", "dmol-vdvae5", published=False), reading("vdvae", "dmol", published=True)
    ('dmol-vdvae5-exact', 'dmol')
    """
    pairs = CORRECTED.get(family, {})
    if published:
        pairs = {right: first for first, right in pairs.items()}
    return pairs.get(likelihood, likelihood)


def verdict(family: str, likelihood: str) -> str:
    """What a reading is, in a word: "published" or "corrected" where the two differ, else "exact"."""
    pairs = CORRECTED.get(family, {})
    return "published" if likelihood in pairs else "corrected" if likelihood in pairs.values() else "exact"


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """How the numbers and pictures of a finished model are made.

    >>> EvaluateConfig(samples=0)
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: evaluate.samples: expected at least 1, got 0
    >>> EvaluateConfig(protocol="nvae").draws
    1000
    """

    protocol: Literal["hvae", "vdvae", "nvae"] = "hvae"
    """Whose convention: hvae (IW-100, corrected likelihood), vdvae (one-sample ELBO) or nvae (IW-1000), the last two
    with the likelihood as published."""
    split: Literal["test", "valid"] = "test"
    """The data scored: test, or valid while settings are still being chosen."""
    samples: int | None = None
    """Importance samples K a datum: the bound IW-K; 1 leaves the ELBO alone; none: as many as the protocol says."""
    batch: int = 100
    """Data scored at once."""
    rows: int = 1024
    """Rows walked at once (a datum times its samples): bounds the memory, changes no result but the draws."""
    limit: int = 0
    """Score only so many data, chosen at random but always the same (0: all)."""
    held: int = 1
    """Top levels that the coarse-to-fine experiment holds (the model's depth less one, at most)."""
    seed: int = 0
    """Seed of every draw of an evaluation and a report."""

    def __post_init__(self) -> None:
        for name, smallest in (("samples", 1), ("batch", 1), ("rows", 1), ("held", 1), ("limit", 0), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < smallest:
                raise HvaeError(f"evaluate.{name}: expected at least {smallest}, got {value}")

    @property
    def draws(self) -> int:
        """Importance samples K a datum."""
        return self.samples or PROTOCOLS[self.protocol].samples
