"""What the commands do, for Python and for pages: each file one function that the package exports (`hvae.compress`).

Functions are taken from their files or from `hvae`: here their names are those of the files.  Types are names of this
package too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvae.lazy import lazy

if TYPE_CHECKING:
    from hvae.study.evaluation import Evaluation, read_evaluation
    from hvae.study.measure import Measure

__all__ = ["Evaluation", "Measure", "read_evaluation"]

__getattr__ = lazy("hvae.study", {"evaluation": ("Evaluation", "read_evaluation"), "measure": ("Measure",)})
