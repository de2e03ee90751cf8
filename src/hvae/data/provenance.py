"""Where data came from, exactly: what lets two numbers be compared, and what stops them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from torch import Tensor

from hvae.data.columns import Columns, from_record
from hvae.data.sequences.form import SequenceForm
from hvae.data.tally import Tally
from hvae.descriptions import DataRecord
from hvae.errors import HvaeError
from hvae.records import JSON
from hvae.screen.numbers import counted

Binarisation = Literal["none", "static", "dynamic", "threshold"]
SPLITS = ("train", "valid", "test")
_FORMS = ("sequences", "captions")
TASK_FIELDS = ("name", "version", "bits", "shape", "binarisation")


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The identity of a data set as a model saw it; written into every result.

    Arguments: `name` of the task; `source`, the file, folder or address it was read from; `sizes` and `checksums` for
    train, valid and test (sha256 of the integer levels, little-endian, in order; before the draw for dynamic training
    data); `bits` a value; `shape` of one image; `binarisation`; `version`, what a reader must know before comparing
    ("first 1,000 of 10,000 test images"); `transforms`, what was done to the pixels, in order; `tally`, what was there
    and what of it is used; `sequences`, what they are of, where the data are sequences; `columns` of a table, by name
    what each holds, and where its cells lie in [0, 1]; `captions`, what their tokens stand for.
    """

    name: str
    source: str
    sizes: Mapping[str, int]
    checksums: Mapping[str, str]
    bits: int
    shape: tuple[int, ...]
    binarisation: Binarisation = "none"
    version: str = ""
    transforms: tuple[str, ...] = ()
    tally: Tally = field(default_factory=Tally)
    sequences: SequenceForm | None = None
    columns: Columns = field(default_factory=dict)
    captions: SequenceForm | None = None

    def to_dict(self) -> DataRecord:
        """Plain lists and dicts, ready for JSON."""
        record = DataRecord(
            name=self.name,
            source=self.source,
            sizes=dict(self.sizes),
            checksums=dict(self.checksums),
            bits=self.bits,
            shape=list(self.shape),
            binarisation=self.binarisation,
            version=self.version,
            transforms=list(self.transforms),
            tally=self.tally.to_dict(),
        )
        if self.sequences:
            record["sequences"] = self.sequences.to_dict()
        if self.columns:
            record["columns"] = {name: column.to_record() for name, column in self.columns.items()}
        if self.captions:
            record["captions"] = self.captions.to_dict()
        return record

    @classmethod
    def from_dict(cls, data: DataRecord) -> Provenance:
        """The inverse of `to_dict`, of older records too, which lack some; raises HvaeError when a field is missing
        or unknown."""
        record: JSON = {"tally": {}, "sequences": None, "columns": {}, "captions": None, **data}
        names = {one.name for one in fields(cls)}
        if set(record) != names:
            odd = ", ".join(sorted(set(record) ^ names))
            raise HvaeError(f"expected a provenance record with {', '.join(sorted(names))}; missing or unknown: {odd}")
        try:
            plain = {
                "shape": tuple(int(n) for n in record["shape"]),
                "transforms": tuple(map(str, record["transforms"])),
                "columns": {str(name): from_record(column) for name, column in record["columns"].items()},
            }
            forms = {key: SequenceForm.from_dict(record[key]) if record[key] else None for key in _FORMS}
            return cls(**{**record, **plain, "tally": Tally.from_dict(record["tally"]), **forms})
        except (TypeError, ValueError, AttributeError) as fault:
            raise HvaeError(f"expected a provenance record, got another form of one ({fault})") from fault

    def __str__(self) -> str:
        sizes = " / ".join(f"{self.sizes[split]:,}" for split in SPLITS)
        shape = "x".join(map(str, self.shape))
        note = f"; {self.version}" if self.version else ""
        counts = f"\n{self.tally}" if str(self.tally) else ""
        if self.sequences:
            size = f" of {'x'.join(map(str, self.shape[1:]))}" if self.shape[1:] else ""
            steps = f"{self.sequences.counted()}{size}"
            depth = f"{self.bits} bit" if self.bits else "real numbers"
            return f"{self.name}: {sizes} sequences ({steps}, {depth}){note}{counts}"
        if self.columns:
            return f"{self.name}: {sizes} rows of {counted(len(self.columns), 'column')}{note}{counts}"
        return (
            f"{self.name}: {sizes} images of {shape}, {self.bits} bit, binarisation {self.binarisation}{note}{counts}"
        )


def differences(a: Provenance, b: Provenance) -> list[str]:
    """What makes test numbers on `a` and `b` incomparable: the fields that differ, or an empty list.

    Training and validation sets may differ: models trained on less are still scored on the same task.

    >>> one = dict(source="here", sizes={}, checksums={"test": "0a"}, shape=(1, 28, 28))
    >>> differences(Provenance(name="mnist", bits=8, **one), Provenance(name="mnist-binary", bits=1, **one))
    ['name', 'bits']
    """
    odd = [field for field in TASK_FIELDS if getattr(a, field) != getattr(b, field)]
    odd += a.sequences.differences(b.sequences) if a.sequences else []
    odd += ["captions"] if a.captions and b.captions and a.captions.differences(b.captions) else []
    return odd + ["test checksum"] * (a.checksums.get("test") != b.checksums.get("test"))


def checksum(chunks: Iterable[Tensor]) -> str:
    """The sha256 of integer tensors, one after the other.

    >>> import torch
    >>> checksum([torch.zeros(2, dtype=torch.uint8)])[:8]
    '96a296d2'
    """
    digest = hashlib.sha256()
    for chunk in chunks:
        values = chunk.contiguous().numpy()
        digest.update(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()
