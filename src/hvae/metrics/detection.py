"""Evaluation of out-of-distribution scores; out-of-distribution data ("foreign") are the positive class.

Shapes: `N` normal data; `M` out-of-distribution data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hvae.errors import HvaeError
from hvae.metrics.results import Plain

DETECTED = 0.8
"""The true-positive rate at which the false-positive rate is reported."""


@dataclass(frozen=True, kw_only=True)
class Detection(Plain):
    """One score on one pair of data sets; higher scores mean farther out of distribution.

    Metrics are balanced: both sets have the same total weight, whatever their sizes.
    """

    positive: str
    """The positive class: "foreign", out-of-distribution data."""
    auroc: float
    """The probability that an out-of-distribution datum scores above a normal one; 0.5 is chance, below it the score
    ranks the wrong way round."""
    auprc: float
    """Average precision for out-of-distribution data; 0.5 is chance."""
    auprc_normal: float
    """Average precision for normal data, by the reversed score."""
    fpr80: float
    """False-positive rate at the highest threshold that detects 80 % of the out-of-distribution data."""
    normal: int
    foreign: int


def detection(normal: Tensor, foreign: Tensor) -> Detection:
    """AUROC, AUPRC both ways and FPR80 of a score whose high values mean out-of-distribution.

    Arguments: `normal` (N,) and `foreign` (M,).  A NaN score counts as infinity.  Raises HvaeError for fewer than 2
    data in either set.

    >>> result = detection(torch.tensor([0.0, 1.0, 2.0]), torch.tensor([1.5, 3.0, 4.0]))
    >>> round(result.auroc, 4), round(result.fpr80, 4)
    (0.8889, 0.3333)
    """
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    if min(len(normal), len(foreign)) < 2:
        raise HvaeError(f"expected 2 normal and 2 foreign data or more, got {len(normal)} and {len(foreign)}")
    values = torch.cat([normal, foreign]).double().nan_to_num(torch.inf, torch.inf, -torch.inf)
    # Ranks, because infinities are scores like any other here; ties stay ties.
    rank = values.unique(return_inverse=True)[1].numpy()
    is_foreign = np.repeat([0, 1], [len(normal), len(foreign)])
    weight = np.repeat([1 / len(normal), 1 / len(foreign)], [len(normal), len(foreign)])
    false_alarms, detected, _ = roc_curve(is_foreign, rank, drop_intermediate=False)
    return Detection(
        positive="foreign",
        auroc=float(roc_auc_score(is_foreign, rank, sample_weight=weight)),
        auprc=float(average_precision_score(is_foreign, rank, sample_weight=weight)),
        auprc_normal=float(average_precision_score(1 - is_foreign, -rank, sample_weight=weight)),
        fpr80=float(false_alarms[np.searchsorted(detected, DETECTED - 1e-12)]),
        normal=len(normal),
        foreign=len(foreign),
    )


def least_normal(quantile: float) -> int:
    """How many normal data have such a quantile.  Raises HvaeError for one outside of (0, 1).

    >>> least_normal(0.95)
    20
    """
    if not 0 < quantile < 1:
        raise HvaeError(f"expected a quantile between 0 and 1, got {quantile}")
    # 1 / (1 - 0.95) is a hair above 20 in floating point.
    return int(np.ceil(1 / (1 - quantile) - 1e-6))


def threshold(normal: Tensor, quantile: float = 0.95) -> float:
    """The score above which a datum is called out-of-distribution: the given quantile of normal data's scores.

    Only normal data are used: this fixes the false-positive rate, 1 - quantile, not the detection rate.  The quantile
    is an order statistic, rounded up: at most (1 - quantile) n of n normal data exceed it.  Raises HvaeError for fewer
    data than it needs (`least_normal`).

    >>> threshold(torch.arange(100.0), 0.95)
    94.0
    """
    if len(normal) < (least := least_normal(quantile)):
        raise HvaeError(
            f"expected {least} normal data or more for the quantile {quantile:g}, got {len(normal)}; "
            "give more, or a lower quantile"
        )
    ordered = normal.double().nan_to_num(torch.inf, torch.inf, -torch.inf).sort().values
    return float(ordered[int(np.ceil(quantile * len(normal) - 1e-9)) - 1])
