"""Latents out of files of features: by level, or side by side in a table.  Nothing in a file is ever executed.

Shapes: `N` data; `D` features; `...` a latent's own shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.data.parquet import arrow
from hvae.errors import HvaeError
from hvae.study.featurefiles import FORMAT, TABLE
from hvae.study.latentfiles import ABOUT_KEY, LatentFile, content_of, read_latents
from hvae.study.sequence_latents import STEPS

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from hvae.site import Pin
    from hvae.walk import Model


def read_features(path: Path, levels: Sequence[str], model: Model) -> LatentFile:
    """The latents of a file that holds them by level, as `hvae encode` and `hvae features` write them, or side by side
    in a table (N, D), an .npy file or the array `features`: then of the levels that it says, else of `levels`.

    Of a file that says which levels it holds, `levels` are those that are taken; all by default.  Raises HvaeError for
    a file of another form, and for levels that it or the model does not have.
    """
    content = _read(path, levels, model)
    if STEPS in content.values:
        raise HvaeError(
            f"{path} holds latents of sequences, and this run is of single data; decode them with the run that they "
            "are of"
        )
    _check_shapes(content.values, path, model)
    return content


def _read(path: Path, levels: Sequence[str], model: Model) -> LatentFile:
    content = _READERS.get(path.suffix, read_latents)(path)
    table = content.values.get(TABLE)
    if table is None:
        return replace(content, values=_some(content.values, levels))
    if not (content.shapes or levels):
        raise HvaeError(f"{path} does not say which levels it holds side by side; add --levels, as in --levels z3,z2")
    shapes = content.shapes or shapes_of(levels, model)
    values = apart(table, shapes, str(path))
    return replace(content, values=_some(values, levels if content.shapes else ()))


def _check_shapes(values: Mapping[Pin, Tensor], path: Path, model: Model) -> None:
    """Raises HvaeError for latents of another shape than the levels of the model have, and for unlike numbers of them.

    Levels that it does not have are the business of who asks for them.
    """
    from hvae.site import pin, spelled
    from hvae.walk import glimpse

    for record in glimpse(model).latents:
        value, shape = values.get(pin(record.key)), tuple(record.value.shape[1:])
        if value is not None and tuple(value.shape[1:]) != shape:
            expected = ", ".join(map(str, ("N", *shape)))
            raise HvaeError(
                f"{path}, {spelled(pin(record.key))}: expected ({expected}) as this run has it, got "
                f"{tuple(value.shape)}; decode it with the run that it is of"
            )
    counts = {spelled(key): len(value) for key, value in values.items()}
    if len({*counts.values()} - {1}) > 1 or 0 in counts.values():
        each = ", ".join(f"{count:,} at {name}" for name, count in counts.items())
        raise HvaeError(f"{path}: expected as many latents of every level, one or more, got {each[:200]}")


def _some(values: Mapping[Pin, Tensor], levels: Sequence[str]) -> Mapping[Pin, Tensor]:
    from hvae.explore.frame import check_levels, of_levels
    from hvae.site import as_key

    check_levels(levels, [as_key(pin)[0] for pin in values])
    return of_levels(levels, values) if levels else values


def _read_npy(path: Path) -> LatentFile:
    from hvae.data.formats import read_arrays

    (array,) = read_arrays(path).values()
    if array.dtype.kind not in "fiu" or array.ndim != 2:
        raise HvaeError(f"{path}: expected a table of numbers (N, D), got {array.dtype} of shape {array.shape}")
    return content_of({TABLE: array.astype("f4")}, path)


def _read_parquet(path: Path) -> LatentFile:
    from hvae.data.unpacking import DAMAGED, check_size
    from hvae.files import open_regular

    pyarrow = arrow()
    try:
        with open_regular(path) as file:
            stored = pyarrow.parquet.ParquetFile(file)
            # A kilobyte of one value repeated can stand for gigabytes.
            check_size(path.stat().st_size, 4 * _values(stored.metadata), path)
            table = stored.read()
        about = (table.schema.metadata or {}).get(FORMAT.encode(), b"{}").decode()
        shapes = content_of({ABOUT_KEY: about}, path).shapes
        arrays = {name: _by_datum(table[name], shapes[name]) for name in table.column_names if name in shapes}
        return content_of({**arrays, ABOUT_KEY: about}, path)
    except HvaeError:
        raise
    except (pyarrow.ArrowException, *DAMAGED) as fault:
        why = " ".join(str(fault).split())[:200] or type(fault).__name__
        raise HvaeError(f"{path}: expected a Parquet table of features, as hvae features writes it ({why})") from fault


def _values(metadata: Any) -> int:
    """The numbers that a Parquet table says it holds."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    return sum(group.column(j).num_values for group in groups for j in range(group.num_columns))


def _by_datum(column: Any, shape: Sequence[int]) -> np.ndarray[Any, Any]:
    from pyarrow.compute import list_value_length

    lengths = list_value_length(column).unique().to_pylist()
    if lengths != [prod(shape)]:
        raise ValueError(f"expected lists of {prod(shape)} numbers, got {str(lengths)[:40]}")
    numbers: np.ndarray[Any, Any] = column.combine_chunks().flatten().to_numpy()
    return numbers.reshape(len(column), *shape).copy()  # Arrow's own memory is not to be written to


_READERS = {".npy": _read_npy, ".parquet": _read_parquet}


def shapes_of(levels: Sequence[str], model: Model) -> dict[str, tuple[int, ...]]:
    """The shape of one datum's latent at these levels, by name.  Raises HvaeError for a level that there is not."""
    from hvae.explore.features import named
    from hvae.site import pin, spelled
    from hvae.walk import glimpse

    records = glimpse(model).latents
    return {
        spelled(pin(record.key)): tuple(record.value.shape[1:])
        for name in named(levels, model)
        for record in records
        if record.name == name
    }


def apart(table: Tensor, shapes: Mapping[str, Sequence[int]], where: str) -> dict[Pin, Tensor]:
    """The latents {level: (N, ...)} of a table (N, D) that holds them side by side: `row` backwards.

    Raises HvaeError for a table of another width.
    """
    from hvae.site import read_pin

    sizes = [prod(shape) for shape in shapes.values()]
    if table.ndim != 2 or table.shape[1] != sum(sizes):
        raise HvaeError(
            f"{where}: expected (N, {sum(sizes)}), the numbers of {', '.join(shapes)} side by side, got "
            f"{tuple(table.shape)}; name the levels that these features are of"
        )
    parts = zip(shapes.items(), table.split(sizes, 1), strict=True)
    return {read_pin(name): part.unflatten(1, tuple(shape)) for (name, shape), part in parts}
