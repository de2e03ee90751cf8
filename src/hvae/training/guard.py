"""Skipping of steps with outlying gradient norms."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from hvae.config.train import TrainConfig
from hvae.training.saving import GuardState

# Below this many norms their quantile says nothing yet.
_ENOUGH = 20


class NormGuard:
    """Skips a step whose gradient norm is far above recent ones, without stalling.

    A step is skipped when its norm exceeds `skip_factor` times the `skip_quantile` of the last `skip_window` norms.
    A fixed threshold, as published with VDVAE (Child 2021, arXiv 2011.10650, table of hyperparameters), stops for
    ever once all norms lie above it.  Here skipped norms enter the window too, so a lasting rise moves the quantile;
    and after (1 - quantile) * window skips in a row a step is taken in any case, which bounds a stall whatever the
    norms do.

    >>> guard = NormGuard(TrainConfig(skip_factor=2.0))
    >>> [guard.passes(1.0) for _ in range(20)] == [True] * 20, guard.passes(5.0)
    (True, False)
    """

    def __init__(self, config: TrainConfig) -> None:
        self.factor, self.quantile = config.skip_factor, config.skip_quantile
        self.norms: deque[float] = deque(maxlen=config.skip_window)
        self.patience = max(1, round((1 - config.skip_quantile) * config.skip_window))
        self.streak = 0

    def passes(self, norm: float) -> bool:
        """Whether to take a step with this finite gradient norm; the norm is remembered either way."""
        taken = norm <= self.limit() or self.streak >= self.patience
        self.norms.append(norm)
        self.streak = 0 if taken else self.streak + 1
        return taken

    def limit(self) -> float:
        """The largest norm that would pass now."""
        if self.factor == 0 or len(self.norms) < min(_ENOUGH, self.norms.maxlen or _ENOUGH):
            return float("inf")
        ordered = sorted(self.norms)
        return self.factor * ordered[min(len(ordered) - 1, int(self.quantile * len(ordered)))]

    def state(self) -> GuardState:
        return {"norms": list(self.norms), "streak": self.streak}

    def restore(self, norms: Iterable[float], streak: int) -> None:
        """Take up the memory of an earlier guard."""
        self.norms = deque(norms, maxlen=self.norms.maxlen)
        self.streak = streak
