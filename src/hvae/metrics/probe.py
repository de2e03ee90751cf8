"""Class information in each level: a linear probe, and k-means clusters against the true classes.

Shapes: `N` data; `D` dimensions of a level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from hvae.errors import HvaeError
from hvae.metrics.codes import Codes, Kind
from hvae.metrics.evaluating import Progress, silent
from hvae.metrics.results import Plain
from hvae.seeds import noise_seed

FEWEST = 10
"""Fewest data of a class: a third of them are test data."""


@dataclass(frozen=True, kw_only=True)
class LevelClasses:
    """Probe and cluster scores of one level."""

    probe_accuracy: float
    """Test accuracy of logistic regression on standardised dimensions."""
    nmi: float
    """Normalised mutual information of k-means clusters (as many as classes) and classes: 0 to 1."""
    ari: float
    """Adjusted Rand index of the same: 0 for chance, 1 for equal partitions."""


@dataclass(frozen=True, kw_only=True)
class ClassesResult(Plain):
    """Probe and clusters of every level, top first."""

    codes: Kind
    data: int
    classes: int
    chance: float
    """Accuracy of always guessing the most frequent class."""
    seed: int
    levels: dict[str, LevelClasses]


def classes(codes: Codes, labels: Tensor, *, seed: int = 0, progress: Progress = silent) -> ClassesResult:
    """Linear-probe accuracy, NMI and ARI of each level.

    The probe is trained on two thirds of the data and tested on the rest; clusters use all data.  `labels` (N,).
    Raises HvaeError when labels do not match, for one class only, and for classes of fewer than 10 data.

    >>> import torch
    >>> labels = torch.arange(60) % 3
    >>> result = classes(Codes("means", {"z1": torch.eye(3, dtype=torch.float64)[labels]}), labels)
    >>> result.levels["z1"].probe_accuracy, result.levels["z1"].nmi
    (1.0, 1.0)
    """
    targets = known_classes(labels, len(codes))
    chance = float(np.bincount(targets).max() / len(targets))
    levels = {}
    for at, (name, code) in enumerate(codes.levels.items()):
        progress(at, len(codes.levels))
        levels[name] = _level(code.numpy(), targets, seed)
    progress(len(levels), len(levels))
    return ClassesResult(
        codes=codes.kind,
        data=len(targets),
        classes=int(targets.max()) + 1,
        chance=chance,
        seed=seed,
        levels=levels,
    )


def known_classes(labels: Tensor, n: int) -> np.ndarray[Any, Any]:
    """The labels of n data as 0 .. classes - 1, (N,).  Raises HvaeError for one class, or fewer than 10 data of a
    class."""
    if labels.shape != (n,):
        raise HvaeError(f"expected {n} labels, one for each datum, got shape {tuple(labels.shape)}")
    values, numbers, counts = np.unique(labels.cpu().numpy(), return_inverse=True, return_counts=True)
    if len(values) < 2:
        raise HvaeError("expected labels of 2 classes or more, got 1; a probe needs something to tell apart")
    if counts.min() < FEWEST:
        raise HvaeError(
            f"expected {FEWEST} data of each class or more, got {counts.min()} of class {values[counts.argmin()]}"
        )
    return numbers.reshape(-1)


def _level(code: np.ndarray[Any, Any], targets: np.ndarray[Any, Any], seed: int) -> LevelClasses:
    from sklearn.cluster import KMeans
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    seed = noise_seed(seed)
    train, test, train_targets, test_targets = train_test_split(
        code, targets, test_size=1 / 3, stratify=targets, random_state=seed
    )
    # Scaled inside the pipeline: the probe may not know the spread of what it is tested on.
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(train, train_targets)
    clusters = make_pipeline(StandardScaler(), KMeans(int(targets.max()) + 1, n_init=4, random_state=seed))
    assignment = clusters.fit_predict(code)
    return LevelClasses(
        probe_accuracy=float(probe.score(test, test_targets)),
        nmi=float(normalized_mutual_info_score(targets, assignment)),
        ari=float(adjusted_rand_score(targets, assignment)),
    )
