"""The walks: one file an inference topology."""

from hvae.models.markov import Markov
from hvae.models.topdown import TopDown

__all__ = ["Markov", "TopDown"]
