"""Every measure, in the order in which they are taken and shown.

A file in this folder with a class of `Measure` is one: `hvae.config.measures` finds it there, and nothing lists it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from hvae.config.measures import Declaration, measures
from hvae.study.measure import Measure


def _measure(declaration: Declaration) -> Measure[Any]:
    measure: Measure[Any] = getattr(import_module(f"{__name__}.{declaration.module}"), declaration.kind)()
    return measure


MEASURES: Mapping[str, Measure[Any]] = {name: _measure(declaration) for name, declaration in measures().items()}
"""By name."""
