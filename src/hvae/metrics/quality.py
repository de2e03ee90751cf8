r"""Sample quality: FID, KID, precision, recall, density, coverage and inception score of features.

Every result names its extractor, resizing and sample counts: values with different ones are not comparable.

Shapes: `N` real pictures; `M` generated ones; `D` features; `k` nearest neighbours; `C` classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from hvae.datum import Datum
from hvae.errors import HvaeError
from hvae.metrics.distances import (
    FEWEST,
    SUBSET,
    class_score,
    density_coverage,
    enough,
    fid,
    kid,
    precision_recall,
    subset_of,
    too_few,
)
from hvae.metrics.evaluating import Progress, silent
from hvae.metrics.features import Extractor, features_of
from hvae.metrics.results import Plain


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """An inception score over splits, and the classifier whose classes it uses."""

    mean: float
    deviation: float
    classifier: str


@dataclass(frozen=True, kw_only=True)
class QualityResult(Plain):
    """Distances and coverage between real and generated pictures, with the protocol to quote."""

    extractor: str
    sha256: str = ""
    """SHA-256 of the extractor's weights file; empty without one."""
    note: str
    resizing: str
    real: int
    generated: int
    features: int
    fid: float
    """0 for equal sets; biased upwards, less with more pictures."""
    kid: float
    """Squared MMD with a cubic kernel: unbiased, so it may be a little below 0."""
    kid_deviation: float
    """Standard deviation over 100 subsets."""
    kid_subset: int = 0
    """Pictures per set in a subset."""
    precision: float
    """Share of generated pictures inside a real k-nearest-neighbour ball (k = 3)."""
    recall: float
    """Share of real pictures inside a generated k-nearest-neighbour ball (k = 3)."""
    density: float
    """Mean number of real balls (k = 5) containing a generated picture, divided by k: about 1 for equal
    distributions."""
    coverage: float
    """Share of real balls (k = 5) with a generated picture inside."""
    inception_score: ClassScore | None = None
    """By the extractor's own classes; None if it has none, or for too few pictures."""
    no_inception_score: str = ""
    """Why there is no inception score although the extractor has classes."""


def quality(
    real: Iterable[Tensor | Datum],
    generated: Iterable[Tensor | Datum],
    extractor: Extractor,
    *,
    seed: int = 0,
    progress: Progress = silent,
    compared: Progress = silent,
) -> QualityResult:
    """FID, KID, precision, recall, density and coverage of batches of pictures, (B, C, H, W) in [0, 1].

    `progress` counts batches through the extractor, `compared` subsets of KID.  Raises HvaeError when a set has no more
    pictures than features, or fewer than 100.
    """
    a, b = features_of(extractor, real, progress), features_of(extractor, generated, progress)
    distance, (mmd, deviation) = fid(a, b), kid(a, b, seed=seed, progress=compared)
    (precision, recall), (density, coverage) = precision_recall(a, b), density_coverage(a, b)
    score, obstacle = _scored(b, extractor)
    return QualityResult(
        extractor=extractor.name,
        sha256=extractor.sha256,
        note=extractor.noted(min(len(a), len(b))),
        resizing=extractor.resizing,
        real=len(a),
        generated=len(b),
        features=a.shape[1],
        fid=distance,
        kid=mmd,
        kid_deviation=deviation,
        kid_subset=subset_of(len(a), len(b), SUBSET),
        precision=precision,
        recall=recall,
        density=density,
        coverage=coverage,
        inception_score=score,
        no_inception_score=obstacle,
    )


def _scored(features: Tensor, extractor: Extractor) -> tuple[ClassScore | None, str]:
    """The inception score by the extractor's own classes, or why there is none."""
    if extractor.classify is None:
        return None, ""
    try:
        mean, deviation = class_score(extractor.classify(features))
    except HvaeError as fault:
        return None, str(fault)
    return ClassScore(mean=mean, deviation=deviation, classifier=extractor.name), ""


def enough_for_all(real: int, generated: int, features: int) -> None:
    """Raises HvaeError when `quality` would, before anything is sampled."""
    enough(real, generated, features)
    if min(real, generated) < FEWEST:
        raise HvaeError(too_few(real, generated))
