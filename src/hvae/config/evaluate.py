"""What an evaluation can be told.  No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hvae.errors import HvaeError


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """How the numbers and pictures of a finished model are made.

    >>> EvaluateConfig(samples=0)
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: evaluate.samples: expected at least 1, got 0
    """

    split: Literal["test", "valid"] = "test"
    """The data scored: test, or valid while settings are still being chosen."""
    samples: int = 100
    """Importance samples K a datum: the bound IW-K; 1 leaves the ELBO alone."""
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
            if getattr(self, name) < smallest:
                raise HvaeError(f"evaluate.{name}: expected at least {smallest}, got {getattr(self, name)}")
