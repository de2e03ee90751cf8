"""Fitting any model with any objective."""

from hvae.training.engine import first_process, over_processes
from hvae.training.fit import fit
from hvae.training.job import FitResult

__all__ = ["FitResult", "first_process", "fit", "over_processes"]
