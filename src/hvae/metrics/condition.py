r"""Whether samples follow their condition: what a judge finds in those of each class, and after a swap.

$$I(y; \hat y) = \sum_{y, \hat y} p(y, \hat y) \log \frac{p(y, \hat y)}{p(y)\, p(\hat y)} \le I(y; x), \qquad
  \hat y = \mathrm{judge}(x),\; x \sim p(x \mid y)$$

The judge sees the samples alone, so that what it says of y is a lower bound of what they do (data processing); it is
H(y), the most there is, for a perfect judge of perfect samples.  From N samples the information is estimated by counts,
less the bias of Miller 1955 ("Note on the bias of information estimates"): (occupied cells - rows - columns + 1) / 2 N.

Shapes: `N` samples; `K` classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.errors import HvaeError
from hvae.metrics.results import plain
from hvae.records import JSON
from hvae.screen.numbers import share

IGNORED, WEAK = 0.1, 0.5
"""Shares of H(y) below which a condition counts as ignored, and as weak."""


@dataclass(frozen=True, kw_only=True)
class ConditionResult:
    """What a judge finds in samples that were asked for by their class, or by what says it."""

    right: float
    """Share of the samples that are judged the class that was asked for."""
    by_class: Mapping[str, float]
    """The same of each class."""
    information_nats: float
    """I(y; judged y), a lower bound of I(y; samples)."""
    entropy_nats: float
    """H(y) of what was asked for: log K of as many of each class."""
    swapped_to_new: float
    """Latents drawn under y, pixels under another y': the share that is judged y'."""
    swapped_to_old: float
    """The same: the share that is still judged y."""
    samples: int
    judge: str
    """Who judged, and how often it is right on data."""
    context: str = "label"
    """What the model was told: its class itself, or something else that says it, such as a caption."""

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        return plain(self)

    @property
    def share(self) -> float:
        """What the samples say of y, as a share of all that there is."""
        return self.information_nats / self.entropy_nats

    @property
    def verdict(self) -> str:
        """What to make of it, in a sentence or two."""
        measured = f"samples say {self.information_nats:.2f} of {self.entropy_nats:.2f} nats of their class"
        if self.share < IGNORED:
            return (
                f"The model ignores its condition: {measured}. Train for longer, or let it enter every level "
                "(model.condition.levels all)."
            )
        if self.share < WEAK:
            return f"The model follows its condition weakly: {measured}. Train for longer, or sample with guidance."
        return f"Samples follow their condition: {share(self.right)} are judged the class that was asked for."


def information(labels: Tensor, judged: Tensor, classes: int) -> float:
    """I(asked; judged) in nats from labels (N,) each, corrected for its bias, from 0 to H(asked).

    >>> y = torch.arange(4).repeat(100)
    >>> round(information(y, y, 4), 3), information(y, torch.zeros_like(y), 4)
    (1.386, 0.0)
    """
    counts = torch.bincount(labels * classes + judged, minlength=classes**2).view(classes, classes).double()
    n, rows, columns = counts.sum(), counts.sum(1), counts.sum(0)
    plug_in = _entropy(rows / n) + _entropy(columns / n) - _entropy(counts.flatten() / n)
    cells, used = int((counts > 0).sum()), int((rows > 0).sum()) + int((columns > 0).sum())
    # The entropies of the margins are too small by (used - 1) / 2 N each, that of the cells by (cells - 1) / 2 N.
    corrected = float(plug_in) - (cells - used + 1) / (2 * float(n))
    return min(max(0.0, corrected), float(_entropy(rows / n)))


def _entropy(p: Tensor) -> Tensor:
    return -(p * p.clamp(min=1e-300).log()).sum()


def condition_result(
    labels: Tensor,
    judged: Tensor,
    other: Tensor,
    swapped: Tensor,
    titles: Sequence[str],
    judge: str,
    context: str = "label",
) -> ConditionResult:
    """The numbers from labels (N,): what was asked for and what was judged; to what it was swapped and what that gave.

    `titles`, the names of the K classes; `context`, what the model was told of them.  Raises HvaeError for one class.

    >>> y = torch.tensor([0, 0, 1, 1])
    >>> result = condition_result(y, y, 1 - y, y, ("no", "yes"), "a perfect judge")
    >>> result.right, result.swapped_to_new, result.swapped_to_old
    (1.0, 0.0, 1.0)
    """
    classes = len(titles)
    if classes < 2:
        raise HvaeError(f"expected 2 classes or more, got {classes}; of one class nothing can be judged")
    hits, counts = (labels == judged).double(), labels.bincount(minlength=classes)
    return ConditionResult(
        right=float(hits.mean()),
        by_class={title: float(hits[labels == k].mean()) for k, title in enumerate(titles) if counts[k]},
        information_nats=information(labels, judged, classes),
        entropy_nats=float(_entropy(counts.double() / len(labels))),
        swapped_to_new=float((swapped == other).double().mean()),
        swapped_to_old=float((swapped == labels).double().mean()),
        samples=len(labels),
        judge=judge,
        context=context,
    )
