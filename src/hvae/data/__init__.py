"""Images and sequences: read from anywhere, brought to one form, with a record of their origin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hvae.config.data import TABLE, DataConfig
from hvae.data.arrays import read_idx_source, read_npy
from hvae.data.attributes import described
from hvae.data.captions import captioned
from hvae.data.columns import Columns
from hvae.data.folder import read_folder
from hvae.data.hub import read_hub
from hvae.data.images import ImageData, Split
from hvae.data.lookup import Listed, listing, read_known
from hvae.data.order import MicroBatch, StepSampler, epoch_order, generator, subset
from hvae.data.prepare import prepare
from hvae.data.provenance import Provenance, differences
from hvae.data.raw import Raw
from hvae.data.replay import with_replay
from hvae.data.sequences.load import load_sequences
from hvae.data.sequences.split import SequenceData, SequenceSplit
from hvae.data.tables import read_table
from hvae.data.where import check_there
from hvae.errors import HvaeError
from hvae.files import expanded

__all__ = [
    "Data",
    "ImageData",
    "MicroBatch",
    "Provenance",
    "SequenceData",
    "SequenceSplit",
    "Split",
    "StepSampler",
    "check_there",
    "differences",
    "epoch_order",
    "generator",
    "known_sets",
    "load",
    "load_any",
    "load_sequences",
    "subset",
]

_READERS: dict[str, Callable[[DataConfig], Raw]] = {
    "folder": read_folder,
    "npy": read_npy,
    "idx": read_idx_source,
    "hub": read_hub,
}


Data = ImageData | SequenceData
"""A data set ready for training: of images, or of sequences."""


def load_any(config: DataConfig, columns: Columns | None = None) -> Data:
    """The images or the sequences that a config describes.  Raises HvaeError as `load` does."""
    return load_sequences(config) if config.is_sequential else load(config, columns)


def load(config: DataConfig, columns: Columns | None = None) -> ImageData:
    """The images a config describes, ready for training.

    `columns`, what those of a table hold where a model has learnt it; else its cells say it.  Raises HvaeError with one
    line for everything that can be wrong with the files or the wishes.

    >>> data = load(DataConfig(name="digits", valid=100, test=0.1))
    >>> data.shape, data.bits, len(data.train), len(data.valid), len(data.test)
    ((1, 8, 8), 4, 1517, 100, 180)
    >>> print(data.provenance)
    digits: 1,517 / 100 / 180 images of 1x8x8, 4 bit, binarisation none; value 16 stored as 15; test: ...
    """
    if config.is_sequential:
        raise HvaeError(
            f"data.name={config.name} is a set of sequences, and pictures are expected; name a set of those"
        )
    raw = read_table(config, columns) if config.name == TABLE else _READERS.get(config.name, read_known)(config)
    if config.attributes:
        raw = described(raw, expanded(config.attributes))
    if config.captions:
        raw = captioned(raw, config)
    data = prepare(replace(raw, source=raw.source or config.path), config)
    return replace(data, train=with_replay(data.train, config.replay)) if config.replay else data


def known_sets(root: str = "") -> list[Listed]:
    """The known data sets and where each was found: name, forms, what, shape, bits, sizes, licence, found, searched,
    download.

    `root` is a folder to look into first; `found` is empty when the set would have to be downloaded.

    >>> [entry["name"] for entry in known_sets()]
    ['digits', 'shapes', 'cells', 'fundus', 'mnist', 'mnist-static', 'fashion-mnist', 'omniglot', 'cifar10', ...]
    """
    return listing(root)
