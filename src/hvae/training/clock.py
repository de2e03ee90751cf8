"""The clock of one part of a run: its wall time, and how fast its steps are taken."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Wall time since its start, and the part of it that went into steps.

    >>> clock = Clock()
    >>> with clock.step():
    ...     pass
    >>> clock.steps, clock.elapsed() >= clock.busy >= 0
    (1, True)
    """

    def __init__(self) -> None:
        self.start, self.busy, self.steps = time.monotonic(), 0.0, 0

    @contextmanager
    def step(self) -> Iterator[None]:
        """Time one step."""
        start = time.monotonic()
        yield
        self.busy, self.steps = self.busy + time.monotonic() - start, self.steps + 1

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.start

    def left(self, steps: int) -> float:
        """Seconds that so many more steps take at the pace so far, validations and checkpoints among them."""
        return steps * self.elapsed() / max(1, self.steps)

    def per_second(self, batch: int) -> float:
        """Data a second, `batch` a step, validations and checkpoints left out; 0 before the first step."""
        return batch * self.steps / self.busy if self.busy else 0.0
