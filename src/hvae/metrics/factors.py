r"""Disentanglement scores of a table of codes (N, D) against a table of factors (N, F): MIG, DCI, SAP, FactorVAE.

Most published numbers come from `disentanglement_lib` (Locatello et al. 2019, arXiv 1811.12359), which scores 10,000
new draws of the factors where here the given data are scored.  MIG and the shares of DCI are defined as there.  What
differs is named with each score: the trees of DCI, the classifier and the scale of SAP, which dimensions vote for the
FactorVAE score.  The two agree at 0 and at 1; values in between should not share a table.

Shapes: `N` data; `D` dimensions of a code; `F` factors; `V` values of a factor; `bins` of a histogram.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from hvae.errors import HvaeError
from hvae.seeds import noise_seed

Array = np.ndarray[Any, np.dtype[Any]]

BINS = 20
"""Equal bins of each dimension for its mutual information with a factor, as in Locatello et al. 2019."""
FEWEST = 500
"""Below it a histogram of 20 bins has a bias of 0.1 nats with a factor of six values, and a third is not enough to
test on."""
TREES, DEPTH = 10, 6
"""Trees of a forest, and how deep they are (deeper for factors of more than eight values).  Trees without a limit split
on noise until it is as important as the code: a noisy code then scores half of what boosted trees give it."""
BATCH, VOTES, IDLE = 64, 5_000, 0.05
"""FactorVAE score: data in a batch, batches, and the share of the largest standard deviation below which a dimension
has no vote."""


def as_factors(factors: Tensor, n: int) -> Array:
    """The factors as (N, F) whole numbers 0 .. V - 1, without gaps; HvaeError when they cannot be scored."""
    table = factors.cpu().numpy()
    if table.ndim != 2 or len(table) != n:
        raise HvaeError(f"expected factors of shape ({n}, F), a row for each datum, got {table.shape}")
    if n < FEWEST:
        raise HvaeError(f"expected at least {FEWEST} data to tell what a dimension stands for, got {n}; give more")
    columns = [np.unique(column, return_inverse=True)[1].reshape(-1) for column in table.T]
    for f, column in enumerate(columns):
        if not 1 <= column.max() < n // 10:
            many = "one value only" if column.max() < 1 else f"{int(column.max()) + 1:,} values for {n:,} data"
            raise HvaeError(f"expected factors of 2 to {n // 10:,} values, got {many} in factor {f + 1}; leave it out")
    return np.stack(columns, 1)


def mutual_information(code: Array, factors: Array, bins: int = BINS) -> Array:
    """I(z_d; v_f) in nats from histograms, (D, F); the estimate is too large by about (bins - 1) (V - 1) / 2N.

    >>> v = np.arange(1000)[:, None] % 4
    >>> bool(abs(mutual_information(v.astype(float), v)[0, 0] - math.log(4)) < 1e-9)
    True
    """
    low, high = code.min(0), code.max(0)
    width = np.where(high > low, high - low, 1.0)
    cells = np.minimum((code - low) / width * bins, bins - 1).astype(np.int64)  # (N, D)
    return np.stack([_information(cells, column, bins) for column in factors.T], 1)


def _information(cells: Array, values: Array, bins: int) -> Array:
    d, v = cells.shape[1], int(values.max()) + 1
    places = (np.arange(d) * bins + cells) * v + values[:, None]  # (N, D)
    joint = np.bincount(places.ravel(), minlength=d * bins * v).reshape(d, bins, v) / len(cells)
    alone = joint.sum(2, keepdims=True) * joint.sum(1, keepdims=True)
    is_positive = joint > 0
    return np.sum(joint * np.log(np.where(is_positive, joint, 1) / np.where(is_positive, alone, 1)), (1, 2))


def mig(code: Array, factors: Array, bins: int = BINS) -> Array:
    r"""The mutual information gap of each factor, (F,).

    $$\frac{I(z_{(1)}; v_f) - I(z_{(2)}; v_f)}{H(v_f)}$$

    with the two dimensions of largest mutual information with factor f.  Chen, Li, Grosse and Duvenaud 2018, arXiv
    1802.04942; histograms of 20 bins as in Locatello et al. 2019, arXiv 1811.12359.  For a level of one dimension the
    second term is 0.
    """
    best = np.sort(np.pad(mutual_information(code, factors, bins), [(1, 0), (0, 0)]), 0)[::-1]
    return (best[0] - best[1]) / np.array([_entropy(np.bincount(column)) for column in factors.T])


def _entropy(weights: Array) -> float:
    share = weights[weights > 0] / weights.sum()
    return float(-(share * np.log(share)).sum())


@dataclass(frozen=True, eq=False)
class DCI:
    """Feature importances (D, F), accuracies (F,) and chance accuracies (F,) of one random forest per factor."""

    importance: Array
    accuracy: Array
    chance: Array

    @property
    def disentanglement(self) -> float:
        """Disentanglement D: does each dimension predict one factor?  Weighted by total importance."""
        return _spread(self.importance)

    @property
    def completeness(self) -> float:
        """Completeness C: is each factor predicted by one dimension?"""
        return _spread(self.importance.T)

    def above_chance(self) -> Array:
        """(accuracy - chance) / (1 - chance) of each factor, at least 0, (F,)."""
        return np.maximum(0.0, (self.accuracy - self.chance) / (1 - self.chance))


def _spread(importance: Array) -> float:
    """1 - normalised entropy of each row, averaged with the rows' sums as weights."""
    total, ways = importance.sum(), importance.shape[1]
    if total == 0 or ways == 1:
        return 0.0
    one = np.array([1 - _entropy(row) / math.log(ways) if row.sum() > 0 else 0.0 for row in importance])
    return float((one * importance.sum(1)).sum() / total)


def dci(code: Array, factors: Array, *, seed: int = 0) -> DCI:
    r"""Disentanglement, completeness and informativeness.

    $$D = \sum_d \rho_d \Big(1 - \frac{H(P_d)}{\log F}\Big), \qquad P_{df} = \frac{R_{df}}{\sum_g R_{dg}}, \qquad
      \rho_d = \frac{\sum_f R_{df}}{\sum R}$$

    Eastwood and Williams 2018, "A framework for the quantitative evaluation of disentangled representations", ICLR,
    sec. 2; R are the importances in random forests of 10 trees of depth 6 that see every dimension at each split,
    trained on two thirds of the data; the accuracy is that on the other third.  (disentanglement_lib boosts 100 trees
    of depth 3 for each value of a factor, which takes ten times as long; on codes that are perfect, permuted and
    rotated the two differ by 0.01, on noisy ones by up to 0.1.)
    """
    from sklearn.ensemble import RandomForestClassifier

    train, test = _parts(len(code), seed)
    importance, accuracy, chance = [], [], []
    for values in factors.T:
        depth = max(DEPTH, 3 + int(values.max()).bit_length())
        forest = RandomForestClassifier(TREES, max_depth=depth, max_features=None, random_state=noise_seed(seed))
        forest.fit(code[train], values[train])
        importance.append(forest.feature_importances_)
        accuracy.append(forest.score(code[test], values[test]))
        chance.append(np.bincount(values[test]).max() / len(test))
    return DCI(np.stack(importance, 1), np.array(accuracy), np.array(chance))


def _parts(n: int, seed: int) -> tuple[Array, Array]:
    order = np.random.default_rng(noise_seed(seed)).permutation(n)
    return order[: n * 2 // 3], order[n * 2 // 3 :]


def sap(code: Array, factors: Array, *, seed: int = 0) -> Array:
    """Separated attribute predictability of each factor, (F,): the gap in accuracy between the two best dimensions.

    Kumar, Sattigeri and Balakrishnan 2018, arXiv 1711.00848, sec. 3: a factor is predicted from one dimension by
    thresholds (as many as it has values, less one), and the score of a dimension is the balanced accuracy on the other
    third of the data, here rescaled so that chance is 0: (accuracy - 1/V) / (1 - 1/V).  (disentanglement_lib takes
    the plain accuracy of a linear support vector machine, which in one dimension can tell few of more than two values
    apart, so that its scores are lower: with a perfect code too.)
    """
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.tree import DecisionTreeClassifier

    train, test = _parts(len(code), seed)
    gaps = []
    for values in factors.T:
        count, scores = int(values.max()) + 1, [0.0, 0.0]
        for column in code.T[:, :, None]:
            tree = DecisionTreeClassifier(max_leaf_nodes=count, class_weight="balanced", random_state=noise_seed(seed))
            guess = tree.fit(column[train], values[train]).predict(column[test])
            scores.append((balanced_accuracy_score(values[test], guess) - 1 / count) / (1 - 1 / count))
        second, first = sorted(scores)[-2:]
        gaps.append(first - second)
    return np.array(gaps)


def factor_vae_score(code: Array, factors: Array, *, seed: int = 0) -> tuple[float, float]:
    """The FactorVAE score and its chance level.

    In a batch whose data share the value of one factor, the dimension with the smallest normalised variance should
    stand for that factor; a majority vote over 5,000 batches of 64 learns which, and is scored on as many others.
    Kim and Mnih 2018, arXiv 1802.05983 (batches are drawn from the data, with repetition).
    Dimensions whose standard deviation is below 5 % of the largest have no vote.  (disentanglement_lib draws new
    images that share the value, learns from 10,000 batches, and leaves out standard deviations below 0.05.)
    """
    random = np.random.default_rng(noise_seed(seed))
    scale = code.std(0)
    used = code[:, scale > IDLE * scale.max()] / scale[scale > IDLE * scale.max()]
    if not used.shape[1]:
        return 0.0, 1 / factors.shape[1]
    votes = [_votes(used, factors, random) for _ in range(2)]  # (D, F) each
    learned = votes[0].argmax(1)
    right = votes[1][np.arange(len(learned)), learned].sum()
    return float(right / VOTES), float(votes[1].sum(0).max() / VOTES)


def _votes(code: Array, factors: Array, random: np.random.Generator) -> Array:
    """Counts (D, F): how often dimension d had the smallest normalised variance in a batch sharing factor f."""
    votes = np.zeros((code.shape[1], factors.shape[1]), np.int64)
    for f, count in enumerate(np.bincount(random.integers(factors.shape[1], size=VOTES), minlength=factors.shape[1])):
        order, sizes = factors[:, f].argsort(kind="stable"), np.bincount(factors[:, f])
        for part in np.array_split(random.integers(len(sizes), size=count), 1 + count // 128):
            # A random row among those of the chosen value, which lie side by side in `order`.
            places = (np.cumsum(sizes) - sizes)[part, None] + random.integers(
                sizes[part, None], size=(len(part), BATCH)
            )
            stillest = code[order[places]].var(1).argmin(1)  # (batches,)
            votes[:, f] += np.bincount(stillest, minlength=len(votes))
    return votes
