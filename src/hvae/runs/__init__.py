"""A run folder as an object: who may write into it."""

from hvae.runs.claim import MEASURING, TRAINING, Claim, ClaimLost, claiming, is_unused

__all__ = ["MEASURING", "TRAINING", "Claim", "ClaimLost", "claiming", "is_unused"]
