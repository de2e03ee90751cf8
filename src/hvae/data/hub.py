"""Image data sets of the Hugging Face hub by name, through the optional package `datasets`."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from hvae.config.data import DataConfig
from hvae.data.decoding import decoded
from hvae.data.folder import as_raw, tally_of
from hvae.data.pictures import Picture
from hvae.data.raw import Raw
from hvae.data.transforms import Array
from hvae.errors import HvaeError, missing_extra

SPLIT_NAMES = {"train": ("train",), "valid": ("validation", "valid", "val"), "test": ("test",)}


def read_hub(config: DataConfig) -> Raw:
    """The data set `config.path` ("owner/name", or a local folder in the hub's layout), decoded once into the cache.

    The first column of images is read, and the first column of class labels where there is one.  Raises HvaeError
    when the extra is not installed, the set cannot be loaded, or it has no training images.
    """
    hub = _package()
    sets = _splits(_loaded(hub, config.path), config.path)
    column, label = _columns(hub, sets["train"].features, config.path)
    pictures = _pictures(hub, sets, column, config.path)
    images = decoded(pictures, config, {split: rows._fingerprint for split, rows in sets.items()})
    classes = tuple(sets["train"].features[label].names) if label else ()
    source = f"hub: {config.path}, fingerprint {sets['train']._fingerprint}"
    tally = tally_of(images, sum(map(len, pictures.values())), {}, classes)
    names = {split: [one.name for one in some] for split, some in pictures.items()}
    labels = {split: _labels(sets[split], label, rows) for split, rows in images.account.rows.items()} if label else {}
    return as_raw(images, names, source, labels, classes, tally)


def hub_pictures(path: str) -> list[Picture]:
    """The pictures of the data set at `path`, as `read_hub` reads them, none of them decoded."""
    hub = _package()
    sets = _splits(_loaded(hub, path), path)
    column, _ = _columns(hub, sets["train"].features, path)
    return [picture for some in _pictures(hub, sets, column, path).values() for picture in some]


def _pictures(hub: ModuleType, sets: Mapping[str, Any], column: str, path: str) -> dict[str, list[Picture]]:
    raw = {split: rows.cast_column(column, hub.Image(decode=False)) for split, rows in sets.items()}
    return {
        split: [Picture(f"{path}[{split}][{i}]", _opener(rows, i, column)) for i in range(len(rows))]
        for split, rows in raw.items()
    }


def _package() -> ModuleType:
    try:
        import datasets  # heavy and optional: imported only when a hub set is asked for
    except ImportError as fault:
        raise missing_extra("datasets", "hub") from fault
    return datasets


def _loaded(hub: ModuleType, path: str) -> Mapping[str, Any]:
    # Versions before 4 can run a script that lies beside the data; neither a prompt nor the environment may allow it.
    accepted = signature(hub.load_dataset).parameters
    safely = {"trust_remote_code": False} if "trust_remote_code" in accepted else {}
    # The package raises dozens of unrelated types for a name that does not exist or a network that is not there.
    try:
        return hub.load_dataset(path, **safely)
    except Exception as fault:
        why = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        raise HvaeError(f"cannot load '{path}' from the hub: {why}; check data.path and the network") from fault


def _splits(parts: Mapping[str, Any], path: str) -> dict[str, Any]:
    sets = {split: parts[name] for split, names in SPLIT_NAMES.items() for name in reversed(names) if name in parts}
    if "train" not in sets:
        raise HvaeError(f"expected a split named train in '{path}', got {', '.join(parts) or 'none'}; choose another")
    return sets


def _columns(hub: ModuleType, features: Mapping[str, Any], path: str) -> tuple[str, str | None]:
    images = [name for name, feature in features.items() if isinstance(feature, hub.Image)]
    labels = [name for name, feature in features.items() if isinstance(feature, hub.ClassLabel)]
    if not images:
        raise HvaeError(f"expected a column of images in '{path}', got {', '.join(features)}; choose another set")
    return images[0], labels[0] if labels else None


def _opener(rows: Any, i: int, column: str) -> Callable[[], Path | io.BytesIO]:
    def source() -> Path | io.BytesIO:
        cell = rows[i][column]
        return io.BytesIO(cell["bytes"]) if cell["bytes"] else Path(cell["path"])

    return source


def _labels(table: Any, label: str, rows: Sequence[int]) -> Array:
    return np.array(table[label][:], dtype=np.int64)[list(rows)]
