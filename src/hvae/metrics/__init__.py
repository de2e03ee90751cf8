"""Measurements of any model: likelihood bounds, what levels say and stand for, samples, what is out-of-distribution."""

from __future__ import annotations

from hvae.metrics.classify import (
    Classifier,
    CoarseToFine,
    agreement,
    coarse_to_fine,
    pairwise_agreement,
    train_classifier,
)
from hvae.metrics.codes import Codes, codes
from hvae.metrics.contribution import (
    ContributionResult,
    ReconstructionResult,
    TopLevels,
    contribution,
    reconstruction,
)
from hvae.metrics.cut import prior_mode
from hvae.metrics.depth import DepthResult, LevelsBound, depth
from hvae.metrics.detection import Detection, detection, threshold
from hvae.metrics.diagnosis import verdict
from hvae.metrics.disentangle import DisentanglementResult, LevelDisentanglement, disentanglement
from hvae.metrics.distances import class_score, density_coverage, fid, kid, precision_recall
from hvae.metrics.evaluating import Progress
from hvae.metrics.features import (
    Extractor,
    classifier_features,
    extractor,
    features_of,
    random_features,
    user_features,
)
from hvae.metrics.fidelity import psnr
from hvae.metrics.hierarchical import HierarchicalResult, hierarchical_bounds
from hvae.metrics.inception import inception_features
from hvae.metrics.information import ActivityResult, LevelActivity, activity
from hvae.metrics.likelihood import bounds
from hvae.metrics.likelihood_result import LevelRate, LikelihoodResult
from hvae.metrics.maps import UsualMaps, heat, rate_maps, usual_maps
from hvae.metrics.mutual import Information, LevelInformation, MutualResult, mutual
from hvae.metrics.normality import NormalRanges, normal_ranges
from hvae.metrics.outliers import Measured, Reference, deciding, measure, scores, usual
from hvae.metrics.particles import filter_bounds, filtered
from hvae.metrics.probe import ClassesResult, LevelClasses, classes
from hvae.metrics.quality import ClassScore, QualityResult, quality
from hvae.metrics.regret import regret
from hvae.metrics.results import Estimate, estimate
from hvae.metrics.similarity import ms_ssim

__all__ = [
    "ActivityResult",
    "ClassScore",
    "ClassesResult",
    "Classifier",
    "CoarseToFine",
    "Codes",
    "ContributionResult",
    "DepthResult",
    "Detection",
    "DisentanglementResult",
    "Estimate",
    "Extractor",
    "HierarchicalResult",
    "Information",
    "LevelActivity",
    "LevelClasses",
    "LevelDisentanglement",
    "LevelInformation",
    "LevelRate",
    "LevelsBound",
    "LikelihoodResult",
    "Measured",
    "MutualResult",
    "NormalRanges",
    "Progress",
    "QualityResult",
    "ReconstructionResult",
    "Reference",
    "TopLevels",
    "UsualMaps",
    "activity",
    "agreement",
    "bounds",
    "class_score",
    "classes",
    "classifier_features",
    "coarse_to_fine",
    "codes",
    "contribution",
    "deciding",
    "density_coverage",
    "depth",
    "detection",
    "disentanglement",
    "estimate",
    "extractor",
    "features_of",
    "fid",
    "filter_bounds",
    "filtered",
    "heat",
    "hierarchical_bounds",
    "inception_features",
    "kid",
    "measure",
    "ms_ssim",
    "mutual",
    "normal_ranges",
    "pairwise_agreement",
    "precision_recall",
    "prior_mode",
    "psnr",
    "quality",
    "random_features",
    "rate_maps",
    "reconstruction",
    "regret",
    "scores",
    "threshold",
    "train_classifier",
    "user_features",
    "usual",
    "usual_maps",
    "verdict",
]
