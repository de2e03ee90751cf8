"""Measurements of any model: likelihood bounds, activity of its levels, classes of its pictures, fidelity."""

from __future__ import annotations

from hvae.metrics.classify import (
    Classifier,
    CoarseToFine,
    agreement,
    coarse_to_fine,
    pairwise_agreement,
    train_classifier,
)
from hvae.metrics.evaluating import Progress
from hvae.metrics.fidelity import psnr
from hvae.metrics.information import ActivityResult, LevelActivity, activity, verdict
from hvae.metrics.likelihood import LevelRate, LikelihoodResult, bounds
from hvae.metrics.results import Estimate, estimate

__all__ = [
    "ActivityResult",
    "Classifier",
    "CoarseToFine",
    "Estimate",
    "LevelActivity",
    "LevelRate",
    "LikelihoodResult",
    "Progress",
    "activity",
    "agreement",
    "bounds",
    "coarse_to_fine",
    "estimate",
    "pairwise_agreement",
    "psnr",
    "train_classifier",
    "verdict",
]
