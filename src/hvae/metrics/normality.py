r"""Normal ranges: joint prediction intervals for several scores, with a stated coverage of normal data.

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
"""Each side of a score is scaled by the distance from its median to this quantile: a moderate one, estimable from few
data."""
FAR, SHARE = 0.01, 0.1
"""Where most normal data have one and the same score, that distance says nothing: a side is at least this share of the
distance to this quantile."""
TINY = 1e-9


@dataclass(frozen=True, kw_only=True)
class NormalRanges:
    """A range for each score by name; a datum is out-of-distribution when any of its scores lies outside."""

    accept: float
    """Joint coverage: the share of normal data all of whose scores lie inside."""
    data: int
    """Number of normal data."""
    middle: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]

    def outside(self, scores: Mapping[str, Tensor]) -> Tensor:
        """The largest scaled distance of the scores, (M,) each, from their medians, (M,) float64: above 1 is outside.

        A NaN score has infinite distance.
        """
        return torch.stack([_distance(scores[name], *self._range(name)) for name in self.middle]).amax(0)

    def reasons(self, scores: Mapping[str, Tensor]) -> list[str]:
        """The scores of each datum outside their ranges, farthest first, as "nll above 131.7"; empty for none."""
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
    r"""Ranges that jointly contain all scores of a share `accept` of normal data.

    $$t_i = \max_s \frac{|x_{is} - m_s|}{d_s^{\pm}}, \qquad
      d_s^{\pm} = \max(|q_s^{\pm} - m_s|, |r_s^{\pm} - m_s| / 10), \qquad
      [\,m_s - t\,d_s^-,\ m_s + t\,d_s^+\,]$$

    m is the median of a score, q its 10 % and 90 % quantiles, r those of 1 % and 99 %, and t the
    ceil(accept (N + 1))-th smallest of the t_i: the maximum over scores is calibrated as one number, so that redundant
    scores do not widen the ranges.  An exchangeable normal datum lies inside with probability at least `accept` (split
    conformal prediction: Vovk, Gammerman and Shafer 2005), except that the same N data set both the quantiles and t: an
    error of one percent with 40 data, negligible from 100 on.

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
    sides = {name: _sides(score) for name, score in finite.items()}
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
    """The rank of the calibration quantile among n normal data.

    Raises HvaeError for a share outside (0, 1), and for too few data.

    >>> enough_normal(19, 0.95), enough_normal(1000, 0.95)
    (19, 951)
    """
    if not 0 < accept < 1:
        raise HvaeError(f"expected a quantile between 0 and 1, got {accept}")
    # 0.95 * 20 is a hair above 19 in floating point.
    place = math.ceil(accept * (data + 1) - 1e-6)
    if place > data:
        least = math.ceil(accept / (1 - accept) - 1e-6)
        raise HvaeError(
            f"expected {least} normal data or more for the quantile {accept:g}, got {data}; "
            "give more, or a lower quantile"
        )
    return place


def _sides(score: Tensor) -> tuple[float, float, float]:
    """The median of a score (N,) between the points at a distance of one from it on either side."""
    places = torch.tensor([FAR, TAIL, 0.5, 1 - TAIL, 1 - FAR], dtype=torch.float64, device=score.device)
    far_low, low, middle, high, far_high = score.quantile(places).tolist()
    below, above = max(middle - low, SHARE * (middle - far_low)), max(high - middle, SHARE * (far_high - middle))
    return middle - below, middle, middle + above


def _distance(score: Tensor, low: float, middle: float, high: float) -> Tensor:
    """Distance of a score (M,) from its median, in units of the scale of that side."""
    score = score.double()
    above, below = (score - middle) / max(high - middle, TINY), (middle - score) / max(middle - low, TINY)
    return torch.maximum(above, below).nan_to_num(torch.inf, torch.inf)
