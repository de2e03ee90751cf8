r"""What listeners think of each condition, those left out who do not hear the reference.

$$m_l = \frac1I \sum_i s_{li}, \qquad
  \bar m = \frac1L \sum_l m_l \pm t_{0.975, L-1} \frac{\mathrm{sd}_l(m_l)}{\sqrt L}$$

of the scores s of L listeners on I items: the interval is that of the choice of listeners, whose scores of different
items are not independent; the items are those of the test.  Medians and quartiles are of all scores (ITU-R BS.1534-3).

Shapes: `L` listeners; `I` items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from hvae.errors import HvaeError
from hvae.records import JSON
from hvae.screen.numbers import percent
from hvae.study.listening.answers import Answers
from hvae.study.listening.trials import REFERENCE

Array = np.ndarray
HEARD, MOST_MISSED = 90.0, 0.15
"""A hidden reference below this score is missed; a listener who misses it in more than this share of items is left
out."""
LABELS = ("bad", "poor", "fair", "good", "excellent")
"""Of a fifth of the scale each, from 0 up."""


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """The scores of one condition: their mean with its 95 % interval (None of a single listener), median, quartiles."""

    condition: str
    mean: float
    low95: float | None
    high95: float | None
    median: float
    quartile1: float
    quartile3: float

    @property
    def label(self) -> str:
        """The word of the scale that the mean lies under.

        >>> Opinion(condition="a", mean=60.0, low95=None, high95=None, median=0, quartile1=0, quartile3=0).label
        'good'
        """
        return LABELS[min(int(self.mean // 20), len(LABELS) - 1)]


@dataclass(frozen=True, kw_only=True)
class Opinions:
    """One test: conditions of all items, the best first, and by item; `excluded`, {listener: share of items missed}."""

    test: str
    listeners: tuple[str, ...]
    excluded: Mapping[str, float]
    items: int
    conditions: tuple[Opinion, ...]
    by_item: Mapping[str, tuple[Opinion, ...]]

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        rows = [{**asdict(one), "label": one.label} for one in self.conditions]
        items = {item: [asdict(one) for one in some] for item, some in self.by_item.items()}
        return {**asdict(self), "listeners": list(self.listeners), "conditions": rows, "by_item": items}


def opinions_of(answers: Answers) -> Opinions:
    """The opinions of those who hear the hidden reference.  Raises HvaeError where nobody does."""
    missed = {listener: _missed(own) for listener, own in answers.scores.items()}
    excluded = {listener: share for listener, share in missed.items() if share > MOST_MISSED}
    listeners = tuple(listener for listener in missed if listener not in excluded)
    if not listeners:
        raise HvaeError(
            f"all {len(excluded)} listeners rate the hidden reference below {HEARD:.0f} in more than "
            f"{percent(MOST_MISSED)} of the items, and none is left ({', '.join(list(excluded)[:5])}); ask others"
        )
    scores = {name: _table(answers, listeners, name) for name in answers.conditions}
    by_item = {
        item: tuple(_opinion(name, table[:, [i]]) for name, table in scores.items())
        for i, item in enumerate(answers.items)
    }
    whole = sorted((_opinion(name, table) for name, table in scores.items()), key=lambda one: -one.mean)
    return Opinions(
        test=answers.test,
        listeners=listeners,
        excluded=excluded,
        items=len(answers.items),
        conditions=tuple(whole),
        by_item=by_item,
    )


def _missed(own: Mapping[str, Mapping[str, float]]) -> float:
    """The share of items whose hidden reference a listener scored as if it were none."""
    return sum(scores[REFERENCE] < HEARD for scores in own.values()) / len(own)


def _table(answers: Answers, listeners: Sequence[str], condition: str) -> Array:
    """Scores (L, I) of one condition."""
    return np.array([[answers.scores[who][item][condition] for item in answers.items] for who in listeners])


def _opinion(condition: str, scores: Array) -> Opinion:
    """Of scores (L, I)."""
    low, median, high = np.quantile(scores, (0.25, 0.5, 0.75)).tolist()
    mean, half = float(scores.mean()), _half(scores.mean(1))
    return Opinion(
        condition=condition,
        mean=mean,
        low95=None if half is None else mean - half,
        high95=None if half is None else mean + half,
        median=median,
        quartile1=low,
        quartile3=high,
    )


def _half(means: Array) -> float | None:
    """Half the width of the 95 % interval of a mean over listeners (L,)."""
    from scipy.stats import t

    if len(means) < 2:
        return None
    return float(t.ppf(0.975, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means)))
