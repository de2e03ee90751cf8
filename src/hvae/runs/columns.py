"""Tables as the columns of a run's model have them: its own data, and those of the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvae.config.columns import TABLES
from hvae.config.data import TABLE, DataConfig
from hvae.errors import HvaeError
from hvae.runs.images import InputImages, Origin

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.data import Data, ImageData
    from hvae.data.columns import Columns


def columns_of(run: LoadedRun) -> Columns | None:
    """What a run has learnt that the columns of a table hold; None of a run of other data."""
    from hvae.data.columns import from_record

    record = (run.description.get("data") or {}).get("columns") or {}
    return {name: from_record(column) for name, column in record.items()} or None


def learnt_columns(run: LoadedRun, source: str) -> Columns:
    """The same.  Raises HvaeError for a run of other data, to which the table `source` says nothing."""
    columns = columns_of(run)
    if columns is None:
        raise HvaeError(f"{run.folder} was not trained on a table, and {source} is one; train with --data.name table")
    return columns


def check_table(run: LoadedRun, config: DataConfig) -> None:
    """Raises HvaeError for data that are no rows of a table, in front of a run that was trained on one.

    An array of numbers may hold such rows as the model has them, (N, D) in [0, 1].
    """
    if columns_of(run) is not None and config.name not in (TABLE, "npy"):
        raise HvaeError(
            f"{run.folder} was trained on a table, and {config.path or config.name} is none; give a "
            f"{' or '.join(TABLES)} file with its columns"
        )


def data_of(run: LoadedRun, config: DataConfig) -> Data:
    """The data of a configuration, a table with its columns as the run has learnt them."""
    from hvae.data import load_any

    return load_any(config, columns_of(run))


def pictures_of(run: LoadedRun, config: DataConfig) -> ImageData:
    """The same of pictures and tables alone."""
    from hvae.data import load

    return load(config, columns_of(run))


def brought_table(run: LoadedRun, config: DataConfig) -> InputImages:
    """A table of the user's, by the columns of the run.  Raises HvaeError for one of other columns."""
    from hvae.data import load

    data = load(config, learnt_columns(run, config.path))
    split = data.train
    remarks = [line for line in data.provenance.transforms[1:] if not line.startswith("train:")]
    return InputImages(origin=Origin(data.provenance, "train"), split=split, grey=split, remark="; ".join(remarks))


def table_keys(run: LoadedRun, path: str) -> DataConfig:
    """How a table of the user's is read before a run."""
    data = run.config.data
    like = data if data.name == TABLE else DataConfig
    return DataConfig(name=TABLE, path=path, bits=run.bits, valid=0, test=0, missing=like.missing, without=like.without)
