"""A top-down walk with levels that were added to a trained model, and grow older with it.

Shapes: none of its own.
"""

from __future__ import annotations

from typing import Any

from hvae.levels.fading import Fading
from hvae.models.topdown import TopDown


class Grown(TopDown):
    """A `TopDown` model of which some levels fade in: each step of training makes them a step older."""

    def __init__(self, *args: Any, **parts: Any) -> None:
        super().__init__(*args, **parts)
        self.young = [level for level in self.modules() if isinstance(level, Fading)]

    def after_step(self) -> None:
        for level in self.young:
            level.grow_older()
