"""Fitting any model with any objective."""

from hvae.train.engine import first_process, over_processes
from hvae.train.fit import fit
from hvae.train.job import FitResult

__all__ = ["FitResult", "first_process", "fit", "over_processes"]
