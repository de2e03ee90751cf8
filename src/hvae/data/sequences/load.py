"""The sequences that a config describes, ready for training."""

from __future__ import annotations

from dataclasses import replace

from hvae.config.data import OWN_SEQUENCES, DataConfig
from hvae.data.lookup import found_set
from hvae.data.sequences.catalogue import sets
from hvae.data.sequences.own import read_own
from hvae.data.sequences.prepare import prepare
from hvae.data.sequences.split import SequenceData
from hvae.errors import HvaeError


def load_sequences(config: DataConfig) -> SequenceData:
    """The sequences of a config.  Raises HvaeError with one line for everything that can be wrong."""
    if config.name == OWN_SEQUENCES:
        raw = read_own(config)
        return prepare(replace(raw, source=raw.source or config.path), config)
    catalogue = sets(config)
    if config.name not in catalogue:
        raise HvaeError(f"data.name={config.name} is a set of pictures, and sequences are expected")
    return prepare(found_set(catalogue[config.name], config), config)
