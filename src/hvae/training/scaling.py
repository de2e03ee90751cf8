"""The factor of the loss in float16, whose smallest number is 6e-8: gradients below it would be lost.

    g = (1 / S) grad (S L)                                    Micikevicius et al. 2018, arXiv 1710.03740, sec. 3.2
    S <- S / 2 where g is not finite, S <- 2 S after 2,000 steps in a row that were

S is a power of two, so that nothing is rounded by it.
"""

from __future__ import annotations

from hvae.training.saving import ScaleState

FIRST, MOST, PATIENCE = 2.0**16, 2.0**24, 2_000


class LossScale:
    """S, from 1 to `most`, with how many steps in a row it held; with `most` 1 it is always 1.

    >>> scale = LossScale()
    >>> scale.falls(), scale.factor
    (True, 32768.0)
    >>> LossScale(most=1.0).falls()
    False
    """

    def __init__(self, most: float = MOST) -> None:
        self.most, self.factor, self.row = most, min(FIRST, most), 0

    def falls(self) -> bool:
        """Halve it; False where it is 1 already, and what is not finite is so without it."""
        self.row = 0
        if self.factor <= 1.0:
            return False
        self.factor /= 2
        return True

    def holds(self) -> None:
        """Count a step whose gradient was finite; after so many in a row there may be room for more."""
        self.row += 1
        if self.row >= PATIENCE:
            self.factor, self.row = min(2 * self.factor, self.most), 0

    def state(self) -> ScaleState:
        return {"factor": self.factor, "row": self.row}

    def restore(self, factor: float, row: int) -> None:
        """Take up the memory of an earlier one, within what this one may be."""
        self.factor, self.row = min(factor, self.most), row
