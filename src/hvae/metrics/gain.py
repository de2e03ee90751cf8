r"""What synthetic data do for a classifier: balanced accuracy with and without them, on the same test data.

$$\text{balanced accuracy} = \frac 1 K \sum_k \frac{\#\{\hat y = k, y = k\}}{\#\{y = k\}}$$

Each seed trains the classifier of `hvae.metrics.convnet` twice, on the data and on the data with the synthetic ones,
for the same number of steps; the difference is paired by seed.

Shapes: `N` pictures; `C H W` a picture; `K` classes; `S` seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import sqrt
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hvae.counts import whole
from hvae.errors import HvaeError, unknown
from hvae.metrics.convnet import LOOKS, STEPS, ConvNet
from hvae.metrics.evaluating import Progress, silent
from hvae.metrics.results import Estimate, plain
from hvae.records import JSON
from hvae.screen.text import for_screen

FEWEST = 5
"""Pictures of a class that a judge needs, to learn from and to be tested on."""


@dataclass(frozen=True, kw_only=True)
class GainResult:
    """Balanced accuracies, means over seeds with 95 % intervals (Student's t); `by_class`, recalls without and with."""

    without: Estimate
    with_synthetic: Estimate
    difference: Estimate
    """Paired by seed."""
    by_class: Mapping[str, tuple[float, float]]
    data: int
    synthetic: int
    tested_on: int
    seeds: int
    steps: int
    look: str
    """What the classifier looks at, by its word in `hvae.metrics.convnet.LOOKS`."""

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        return dict(plain(self))


def gain(
    data: tuple[Tensor, Tensor],
    synthetic: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    titles: Sequence[str],
    *,
    seeds: int = 5,
    steps: int = STEPS,
    look: str = "places",
    progress: Progress = silent,
) -> GainResult:
    """What synthetic pictures add; each pair is (N, C, H, W) in [0, 1] and labels (N,), `titles` names the K classes.

    `look` is "places" where a class depends on what lies where, "anywhere" where it is a finding in any place.

    Raises HvaeError for fewer than 2 seeds, for an unknown look, and for a class with fewer than 5 pictures to learn
    from or to be tested on.
    """
    seeds = whole("seeds", seeds, 2)
    if look not in LOOKS:
        raise unknown("look", look, LOOKS)
    check_counts(data[1], test[1], titles)
    both = torch.cat([data[0], synthetic[0]]), torch.cat([data[1], synthetic[1]])
    judge = partial(ConvNet, shape=tuple(data[0].shape[1:]), steps=steps, network=LOOKS[look])
    recalls = np.zeros((seeds, 2, len(titles)))
    for seed in range(seeds):
        for side, some in enumerate((data, both)):
            recalls[seed, side] = _recalls(judge(seed), some, test, len(titles))
            progress(2 * seed + side + 1, 2 * seeds)
    balanced = recalls.mean(2)  # (S, 2)
    return GainResult(
        without=_over_seeds(balanced[:, 0]),
        with_synthetic=_over_seeds(balanced[:, 1]),
        difference=_over_seeds(balanced[:, 1] - balanced[:, 0]),
        by_class={title: tuple(map(float, recalls[:, :, k].mean(0))) for k, title in enumerate(titles)},  # type: ignore[misc]
        data=len(data[1]),
        synthetic=len(synthetic[1]),
        tested_on=len(test[1]),
        seeds=seeds,
        steps=steps,
        look=look,
    )


def check_counts(labels: Tensor, test_labels: Tensor, titles: Sequence[str]) -> None:
    """Raises HvaeError, naming the class, where a judge has too few pictures of one."""
    check_enough(labels, titles, "to learn from")
    check_enough(test_labels, titles, "to be tested on")


def check_enough(labels: Tensor, titles: Sequence[str], what: str) -> None:
    """Raises HvaeError, naming the class of fewest pictures, where these labels are too few of it."""
    counts = torch.bincount(labels, minlength=len(titles))
    least = int(counts.argmin())
    if counts[least] < FEWEST:
        name = for_screen(titles[least])
        raise HvaeError(f"a judge needs {FEWEST} pictures of each class {what}, got {counts[least]} of {name}")


def _recalls(judge: ConvNet, some: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], classes: int) -> Any:
    """The share of each class that is judged right, (K,)."""
    judge.fit(some[0].flatten(1).numpy(), some[1].numpy())
    right, y = judge.predict(test[0].flatten(1).numpy()) == test[1].numpy(), test[1].numpy()
    return np.bincount(y, weights=right, minlength=classes) / np.bincount(y, minlength=classes)


def _over_seeds(values: Any) -> Estimate:
    from scipy.stats import t

    mean, error = float(values.mean()), float(values.std(ddof=1)) / sqrt(len(values))
    half = float(t.ppf(0.975, len(values) - 1)) * error
    return Estimate(mean, error, mean - half, mean + half)
