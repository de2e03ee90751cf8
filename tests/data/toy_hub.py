"""A small stand-in for the package `datasets`, which is optional and heavy."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

rng = np.random.default_rng(0)


class ImageColumn:
    def __init__(self, decode: bool = True) -> None:
        self.decode = decode


class Labels:
    names = ("cat", "dog")


class Rows:
    """As much of `datasets.Dataset` as the reader uses."""

    _fingerprint = "f00d"

    def __init__(self, images: list[bytes], features: dict[str, Any]) -> None:
        self.images, self.features = images, features

    def __len__(self) -> int:
        return len(self.images)

    def cast_column(self, column: str, feature: ImageColumn) -> Rows:
        assert not feature.decode
        return Rows(self.images, {**self.features, column: feature})

    def __getitem__(self, key: int | str) -> Any:
        if isinstance(key, str):
            return [i % 2 for i in range(len(self))]
        return {"picture": {"bytes": self.images[key], "path": None}}


def png(size: tuple[int, int] = (5, 4)) -> bytes:
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(file, "png")
    return file.getvalue()


def install(monkeypatch: pytest.MonkeyPatch, rows: dict[str, Rows] | Exception) -> None:
    def load_dataset(_: str) -> dict[str, Rows]:
        if isinstance(rows, Exception):
            raise rows
        return rows

    fake = SimpleNamespace(load_dataset=load_dataset, Image=ImageColumn, ClassLabel=Labels)
    monkeypatch.setitem(sys.modules, "datasets", fake)


FEATURES = {"picture": ImageColumn(), "kind": Labels()}
