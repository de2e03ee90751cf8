"""Checkpoints: weights saved to files and loaded back into models."""

from hvae.checkpoints.runs import LoadedRun, describe, load

__all__ = ["LoadedRun", "describe", "load"]
