"""Files of features, written row after row: an .npz archive or a Parquet table, larger than memory if need be.

    .npz      mean, flatten: one array `features` (N, D), the levels side by side; none: one array a level, as those of
              `hvae encode`.  Beside them `labels` (N,) where they are known, and `about`, a text.
    .parquet  mean: one column a feature; flatten, none: one column of lists a level.  Beside them `labels`; `about` is
              the table's metadata.

Shapes: `N` data; `B` data of a batch; `D` features; `...` a latent's own shape.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any
from zipfile import ZipFile

from hvae.data.parquet import arrow
from hvae.errors import HvaeError
from hvae.files import replacing
from hvae.study.latentfiles import ABOUT_KEY, LABELS

if TYPE_CHECKING:
    import numpy as np
    from pyarrow import Array
    from torch import Tensor

    from hvae.site import Pin

TABLE = "features"
"""The array of an .npz file that holds all levels side by side."""
FORMAT = "hvae features"


@dataclass(frozen=True, kw_only=True)
class About:
    """What features are of: `levels` by name with the shape of one datum's latent, how they were pooled and drawn, and
    the digest of the model's weights."""

    levels: Mapping[str, Sequence[int]]
    pool: str
    draws: int
    seed: int
    weights: str
    images: str

    @property
    def mode(self) -> bool:
        """Whether no chance is in them."""
        return not self.draws

    def text(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self), "mode": self.mode})


class Sink(ABC):
    """Takes the features of batch after batch; nothing of them stays in memory."""

    @abstractmethod
    def take(self, some: Mapping[Pin, Tensor], labels: Tensor | None) -> None:
        """Write {level: (B, ...)} and, where known, labels (B,)."""


def check_format(path: Path) -> None:
    """Raises HvaeError for a name of another kind of file, and where the package that writes it is not installed."""
    if path.suffix not in SINKS:
        raise HvaeError(f"--out: expected a file name that ends in .npz or .parquet, got {path}")
    if path.suffix == ".parquet":
        arrow()


@contextmanager
def writing(path: Path, number: int, about: About) -> Iterator[Sink]:
    """A sink for the features of `number` data, whose file is whole or not there."""
    with replacing(path) as temporary, SINKS[path.suffix](temporary, number, about) as sink:
        yield sink


@contextmanager
def _archive(path: Path, number: int, about: About) -> Iterator[Sink]:
    """An .npz archive: an archive takes one member after the other, so each is gathered in a file of its own."""
    with TemporaryDirectory(dir=path.parent, prefix=".features-") as folder:
        members = _Members(Path(folder), number, about)
        with members.files:
            yield members
        members.pack(path)


class _Members(Sink):
    def __init__(self, folder: Path, number: int, about: About) -> None:
        self.folder, self.number, self.about = folder, number, about
        self.files, self.open = ExitStack(), dict[str, IO[bytes]]()

    def take(self, some: Mapping[Pin, Tensor], labels: Tensor | None) -> None:
        from hvae.explore.features import TABLES, row
        from hvae.site import spelled

        parts = {TABLE: row(some)} if self.about.pool in TABLES else {spelled(pin): t for pin, t in some.items()}
        for name, rows in parts.items():
            self._append(name, rows.numpy())
        if labels is not None:
            self._append(LABELS, labels.numpy())

    def _append(self, name: str, rows: np.ndarray[Any, Any]) -> None:
        if name not in self.open:
            # Not under its name, which a model of the user's may have filled with slashes.
            place = self.folder / str(len(self.open))
            self.open[name] = self.files.enter_context(place.open("wb"))
            _head(self.open[name], (self.number, *rows.shape[1:]), rows.dtype)
        self.open[name].write(rows.tobytes())

    def pack(self, path: Path) -> None:
        import numpy as np

        with ZipFile(path, "w") as archive:
            for place, name in enumerate(self.open):
                archive.write(self.folder / str(place), f"{name}.npy")
            with archive.open(f"{ABOUT_KEY}.npy", "w") as file:
                np.save(file, np.array(self.about.text()))  # type: ignore[arg-type]


def _head(file: IO[bytes], shape: tuple[int, ...], kind: np.dtype[Any]) -> None:
    from numpy.lib import format as npy

    about = {"descr": npy.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(file, about)  # type: ignore[arg-type]


@contextmanager
def _parquet(path: Path, number: int, about: About) -> Iterator[Sink]:
    table = _Table(path, about)
    with table.files:
        yield table


class _Table(Sink):
    def __init__(self, path: Path, about: About) -> None:
        self.path, self.about, self.arrow, self.files = path, about, arrow(), ExitStack()
        self.writer: Any = None

    def take(self, some: Mapping[Pin, Tensor], labels: Tensor | None) -> None:
        columns = self._single(some) if self.about.pool == "mean" else self._lists(some)
        if labels is not None:
            columns[LABELS] = self.arrow.array(labels.numpy())
        metadata = {FORMAT: self.about.text()}
        table = self.arrow.table(columns).replace_schema_metadata(metadata)
        if self.writer is None:
            self.writer = self.files.enter_context(self.arrow.parquet.ParquetWriter(self.path, table.schema))
        self.writer.write_table(table)

    def _single(self, some: Mapping[Pin, Tensor]) -> dict[str, Array]:
        from hvae.explore.features import column_names, row

        columns = row(some).T.contiguous().numpy()
        return {name: self.arrow.array(one) for name, one in zip(column_names(some), columns, strict=True)}

    def _lists(self, some: Mapping[Pin, Tensor]) -> dict[str, Array]:
        from hvae.site import spelled

        flat = {spelled(pin): value.flatten(1) for pin, value in some.items()}  # (B, D)
        return {
            name: self.arrow.FixedSizeListArray.from_arrays(self.arrow.array(rows.reshape(-1).numpy()), rows.shape[1])
            for name, rows in flat.items()
        }


SINKS = {".npz": _archive, ".parquet": _parquet}
