"""The exchangeable parts of one latent level."""

from hvae.levels.absorb import Add, Gate, Join, Raise, Replace
from hvae.levels.fading import Fading
from hvae.levels.finer import FinerLevel
from hvae.levels.grown import GrownLevel, LiftedPrior
from hvae.levels.level import Level
from hvae.levels.posterior import (
    MERGES,
    BoundedResidual,
    Concat,
    DataOnly,
    PrecisionWeighted,
    Residual,
    ResidualMean,
    merge,
)
from hvae.levels.prior import LearnedPrior, SplitPrior, StandardPrior
from hvae.levels.scale import VARIANCES, Positive, gaussian, variance
from hvae.levels.twin import TwinLevel

__all__ = [
    "MERGES",
    "VARIANCES",
    "Add",
    "BoundedResidual",
    "Concat",
    "DataOnly",
    "Fading",
    "FinerLevel",
    "Gate",
    "GrownLevel",
    "Join",
    "LearnedPrior",
    "Level",
    "LiftedPrior",
    "Positive",
    "PrecisionWeighted",
    "Raise",
    "Replace",
    "Residual",
    "ResidualMean",
    "SplitPrior",
    "StandardPrior",
    "TwinLevel",
    "gaussian",
    "merge",
    "variance",
]
