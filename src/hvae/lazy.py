"""Names of a package that are imported when they are first used, so that importing the package costs nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy(package: str, places: Mapping[str, tuple[str, ...]]) -> Callable[[str], Any]:
    """The `__getattr__` of a package: `places` says which of its modules defines which of its names.

    >>> load = lazy("hvae", {"errors": ("HvaeError",)})
    >>> load("HvaeError").__name__
    'HvaeError'
    """
    place = {name: f"{package}.{module}" for module, names in places.items() for name in names}

    def load(name: str) -> Any:
        if name not in place:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(place[name]), name)
        setattr(sys.modules[package], name, value)  # the next look-up finds it at once
        return value

    return load
