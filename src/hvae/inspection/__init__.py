"""What a model is made of and what it will cost, without running it."""

from __future__ import annotations

from hvae.inspection.summary import Inspection, LevelInspection, inspect

__all__ = ["Inspection", "LevelInspection", "inspect"]
