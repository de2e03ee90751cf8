"""What is done with a finished run: evaluate it; what Python, a page and the commands call.

The verbs are names of `hvae` itself (`hvae.evaluate`), since here the modules that define them have their names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvae.lazy import lazy

if TYPE_CHECKING:
    from hvae.study.evaluation import Evaluation, read_evaluation
    from hvae.study.measure import Measure

__all__ = ["Evaluation", "Measure", "read_evaluation"]

__getattr__ = lazy("hvae.study", {"evaluation": ("Evaluation", "read_evaluation"), "measure": ("Measure",)})
