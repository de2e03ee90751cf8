"""A run folder as an object: who may write into it, and what it was before."""

from hvae.runs.claim import MEASURING, TRAINING, Claim, ClaimLost, claiming, is_unused
from hvae.runs.split import refuse_changes, split_changes
from hvae.runs.state import FolderState

__all__ = [
    "MEASURING",
    "TRAINING",
    "Claim",
    "ClaimLost",
    "FolderState",
    "claiming",
    "is_unused",
    "refuse_changes",
    "split_changes",
]
