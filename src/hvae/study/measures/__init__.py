"""Every measure, in the order in which they are taken and shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hvae.study.measure import Measure
from hvae.study.measures.activity import Activity
from hvae.study.measures.baselines import Baselines
from hvae.study.measures.classes import Classes
from hvae.study.measures.coarse_to_fine import CoarseToFine
from hvae.study.measures.codebook import Codebook
from hvae.study.measures.condition import Condition
from hvae.study.measures.contribution import Contribution
from hvae.study.measures.depth import Depth
from hvae.study.measures.disentanglement import Disentanglement
from hvae.study.measures.fivo import Fivo
from hvae.study.measures.hierarchical import Hierarchical
from hvae.study.measures.labels import Labels
from hvae.study.measures.likelihood import Likelihood
from hvae.study.measures.maps import Maps
from hvae.study.measures.mutual import Mutual
from hvae.study.measures.over_time import OverTime
from hvae.study.measures.quality import Quality
from hvae.study.measures.reconstruction import Reconstruction

_ALL: tuple[Measure[Any], ...] = (
    Likelihood(),
    Activity(),
    Mutual(),
    Reconstruction(),
    Codebook(),
    Contribution(),
    Depth(),
    Maps(),
    OverTime(),
    Baselines(),
    CoarseToFine(),
    Labels(),
    Condition(),
    Hierarchical(),
    Fivo(),
    Classes(),
    Quality(),
    Disentanglement(),
)
MEASURES: Mapping[str, Measure[Any]] = {measure.name: measure for measure in _ALL}
"""By name."""
