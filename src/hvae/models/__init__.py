"""The walks: one file an inference topology."""

from hvae.models.coded import Coded
from hvae.models.grown import Grown
from hvae.models.markov import Markov
from hvae.models.topdown import TopDown

__all__ = ["Coded", "Grown", "Markov", "TopDown"]
