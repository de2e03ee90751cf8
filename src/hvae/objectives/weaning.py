"""How a decoder of sequences is weaned from the data it hears in training."""

from __future__ import annotations

from dataclasses import dataclass

from hvae.draw import Draw, retell
from hvae.objectives.schedule import linear


@dataclass(frozen=True)
class Weaning:
    r"""Scheduled sampling: a decoder hears its own draws in a growing share of the steps.

    $$1 - \epsilon_i = s \min(1, i / n)$$

    of a training step i, with the share s reached after n of them.  Bengio et al. 2015, arXiv 1506.03099, sec. 2.4
    (linear decay).  What is minimised on the way is no bound, and its optimum is not the law of the data where s = 1
    (Huszar 2015, arXiv 1511.05101); validation and evaluation hear the data, and their numbers are bounds.

    >>> from hvae.draw import posterior
    >>> Weaning(0.5, 100)(posterior, 50)
    _Part(otherwise=posterior, name='taught', keep=0.75)
    """

    share: float
    steps: float

    def __call__(self, draw: Draw, step: int) -> Draw:
        return retell(self.share * linear(step, 0, self.steps), draw)
