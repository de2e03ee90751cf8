r"""Where the scores of normal data lie: a range for each of several scores that together keep a stated share of them.

Shapes: `N` normal data; `M` data to judge.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.errors import HvaeError
from hvae.screen.numbers import number

TAIL = 0.1
"""Each side of a score is measured in the distance of its median from this quantile: a moderate one, so that a few
normal data know it."""
TINY = 1e-9


@dataclass(frozen=True, kw_only=True)
class NormalRanges:
    """A range for each score by name; a datum is out-of-distribution when any of its scores lies outside."""

    accept: float
    """The share of normal data all of whose scores lie inside: of the family, not of each score."""
    data: int
    """How many normal data the ranges are of."""
    middle: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]

    def outside(self, scores: Mapping[str, Tensor]) -> Tensor:
        """How far the worst of the scores, (M,) each, lies from its middle, (M,) float64: above 1 it is outside.

        A score that is not a number is infinitely far: no normal datum has one.
        """
        return torch.stack([_distance(scores[name], *self._range(name)) for name in self.middle]).amax(0)

    def reasons(self, scores: Mapping[str, Tensor]) -> list[str]:
        """What is outside of its range for each datum, the farthest first, as "nll above 131.7"; empty for none."""
        distances = torch.stack([_distance(scores[name], *self._range(name)) for name in self.middle], 1)  # (M, S)
        return ["; ".join(self._outside(at, row, scores)) for at, row in enumerate(distances)]

    def _outside(self, at: int, distances: Tensor, scores: Mapping[str, Tensor]) -> list[str]:
        names = list(self.middle)
        worst = [names[i] for i in distances.argsort(descending=True).tolist() if distances[i] > 1]
        return [self._side(name, float(scores[name][at])) for name in worst]

    def _side(self, name: str, score: float) -> str:
        if score < self.low[name]:
            return f"{name} below {number(self.low[name])}"
        return f"{name} above {number(self.high[name])}" if score > self.high[name] else f"{name} no number"

    def _range(self, name: str) -> tuple[float, float, float]:
        return self.low[name], self.middle[name], self.high[name]


def normal_ranges(scores: Mapping[str, Tensor], accept: float = 0.95) -> NormalRanges:
    r"""The ranges of scores that a share `accept` of normal data keeps, all scores taken together.

    $$t_i = \max_s \frac{|x_{is} - m_s|}{|q_s^{\pm} - m_s|}, \qquad
      [\,m_s - t\,(m_s - q_s^-),\ m_s + t\,(q_s^+ - m_s)\,]$$

    m is the median of a score, q its 10 % and 90 % quantiles, and t the ceil(accept (N + 1))-th smallest of the t_i:
    the maximum over scores is calibrated as one number, so that nothing is lost to scores that say the same.  A normal
    datum that is drawn like these lies inside with probability `accept` or more (Vovk, Gammerman and Shafer 2005), up
    to what the N data that set the quantiles also are those that set t: a percent with 40 data, nothing to speak of
    from 100 on.

    Arguments: `scores` of normal data by name, (N,) each.  Raises HvaeError for fewer data than `accept` needs.

    >>> ranges = normal_ranges({"nll": torch.arange(1.0, 100.0)}, 0.9)
    >>> round(ranges.low["nll"], 6), ranges.middle["nll"], round(ranges.high["nll"], 6)
    (5.0, 50.0, 95.0)
    >>> ranges.reasons({"nll": torch.tensor([3.0, 50.0])})
    ['nll below 5.000', '']
    """
    data = len(next(iter(scores.values())))
    place = enough_normal(data, accept)
    finite = {name: score.double()[score.isfinite()] for name, score in scores.items()}
    if name := next((name for name, score in finite.items() if len(score) < data / 2), None):
        raise HvaeError(f"expected finite scores of normal data, got {len(finite[name])} of {data} of {name}")
    ends = torch.tensor([TAIL, 0.5, 1 - TAIL], dtype=torch.float64)
    sides = {name: score.quantile(ends.to(score.device)).tolist() for name, score in finite.items()}
    distances = torch.stack([_distance(scores[name], *side) for name, side in sides.items()]).amax(0)
    t = float(distances.sort().values[place - 1])
    return NormalRanges(
        accept=accept,
        data=data,
        middle={name: middle for name, (_, middle, _) in sides.items()},
        low={name: middle - t * max(middle - low, TINY) for name, (low, middle, _) in sides.items()},
        high={name: middle + t * max(high - middle, TINY) for name, (_, middle, high) in sides.items()},
    )


def enough_normal(data: int, accept: float) -> int:
    """The rank of the datum at which ranges of so many normal data end.

    Raises HvaeError for a share that is none, and for fewer data than it takes to know it.

    >>> enough_normal(19, 0.95), enough_normal(1000, 0.95)
    (19, 951)
    """
    if not 0 < accept < 1:
        raise HvaeError(f"expected a quantile between 0 and 1, got {accept}")
    # 0.95 * 20 is a hair above 19 in floating point.
    place = math.ceil(accept * (data + 1) - 1e-6)
    if place > data:
        least = math.ceil(accept / (1 - accept) - 1e-6)
        raise HvaeError(f"expected {least} normal data or more for the quantile {accept:g}, got {data}")
    return place


def _distance(score: Tensor, low: float, middle: float, high: float) -> Tensor:
    """How far a score (M,) lies from its middle, in units of its range on that side."""
    score = score.double()
    above, below = (score - middle) / max(high - middle, TINY), (middle - score) / max(middle - low, TINY)
    return torch.maximum(above, below).nan_to_num(torch.inf, torch.inf)
