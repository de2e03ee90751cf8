"""What an evaluation can be told.  No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from hvae.errors import HvaeError


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """How the numbers beside a model are made."""

    samples: int = 100
    """Importance samples K for each datum: the bound IW-K; 1 leaves only the ELBO."""
    batch: int = 100
    """Data scored at once; the samples of one datum are scored in parts if need be."""
    limit: int | None = None
    """Score only the first so many test data; none scores all of them."""
    seed: int = 1
    """Seed of the draws."""

    def __post_init__(self) -> None:
        for name in ("samples", "batch", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise HvaeError(f"evaluate.{name}: expected at least 1, got {value}")
