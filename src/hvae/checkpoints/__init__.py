"""Weights at rest, and back to a model."""

from hvae.checkpoints.runs import LoadedRun, describe, load

__all__ = ["LoadedRun", "describe", "load"]
