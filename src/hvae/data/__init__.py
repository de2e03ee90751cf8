"""Images for training and evaluation: read from anywhere, brought to one form, with a record of their origin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hvae.config.data import DataConfig
from hvae.data.arrays import read_idx_source, read_npy
from hvae.data.folder import read_folder
from hvae.data.hub import read_hub
from hvae.data.images import ImageData, Split
from hvae.data.lookup import listing, read_known
from hvae.data.order import MicroBatch, StepSampler, epoch_order, generator, subset
from hvae.data.prepare import prepare
from hvae.data.provenance import Provenance, differences
from hvae.data.raw import Raw

__all__ = [
    "ImageData",
    "MicroBatch",
    "Provenance",
    "Split",
    "StepSampler",
    "differences",
    "epoch_order",
    "generator",
    "known_sets",
    "load",
    "subset",
]

_READERS: dict[str, Callable[[DataConfig], Raw]] = {
    "folder": read_folder,
    "npy": read_npy,
    "idx": read_idx_source,
    "hub": read_hub,
}


def load(config: DataConfig) -> ImageData:
    """The data a config describes, ready for training.

    Raises HvaeError with one line for everything that can be wrong with the files or the wishes.

    >>> data = load(DataConfig(name="digits", valid=100, test=0.1))
    >>> data.shape, data.bits, len(data.train), len(data.valid), len(data.test)
    ((1, 8, 8), 4, 1517, 100, 180)
    >>> print(data.provenance)
    digits: 1,517 / 100 / 180 images of 1x8x8, 4 bit, binarisation none; value 16 stored as 15; test: ...
    """
    raw = _READERS.get(config.name, read_known)(config)
    return prepare(replace(raw, source=raw.source or config.path), config)


def known_sets(root: str = "") -> list[dict[str, Any]]:
    """The known data sets and where each was found: name, forms, what, shape, bits, sizes, licence, found, searched,
    download.

    `root` is a folder to look into first; `found` is empty when the set would have to be downloaded.

    >>> [entry["name"] for entry in known_sets()]
    ['digits', 'shapes', 'mnist', 'mnist-static', 'fashion-mnist', 'omniglot', 'cifar10', 'lpc-sprites', ...]
    """
    return listing(root)
