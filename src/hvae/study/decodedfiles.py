"""The file that decoded data go to: pictures in a folder, on a sheet or as numbers, and rows of a table as a table.

Shapes: `N` data; `C H W` a picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hvae.config.data import kind_of
from hvae.errors import HvaeError
from hvae.files import making
from hvae.runs.columns import columns_of
from hvae.study.sheets import SUFFIXES, check_picture, write
from hvae.study.tables import check_rows, write_table

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun


def check_form(path: Path, run: LoadedRun) -> None:
    """Raises HvaeError, before any work, for a folder of pictures of what are none, and for a sheet of rows."""
    columns, shape = columns_of(run), run.model.shape
    if columns is not None:
        return check_rows(path, 1, len(columns))
    check_picture(1, shape, path)
    if len(shape) != 3 and path.suffix.lower() not in SUFFIXES:
        raise HvaeError(
            f"--out: the data of this run are {kind_of(shape)}, expected a file name that ends in .npy, got {path}"
        )


def write_decoded(path: Path, data: Tensor, run: LoadedRun) -> None:
    """Data (N, ...) in [0, 1]: one PNG a picture in a new folder, or all of them in one file."""
    if columns_of(run) is not None:
        return write_table(path, data, run)
    if path.suffix.lower() in SUFFIXES:
        return write(path, data, "auto" if len(data) > 1 else "1")  # one alone comes back as it went
    from PIL import Image

    from hvae.explore.tiles import pixels

    digits = max(4, len(str(len(data) - 1)))
    with making(path) as temporary:
        for i, picture in enumerate(data):
            Image.fromarray(pixels(picture)).save(temporary / f"{i:0{digits}d}.png")
