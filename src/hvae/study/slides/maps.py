"""Maps that are written while they are made: rows of an .npy file, and a small picture of the whole.

Shapes: `H W` a map; `R` rows of it.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

KIND = np.dtype(np.float16)
"""Of the values: standard deviations to three digits."""
MOST = 2048
"""Values of the longer side of the small picture."""


class MapFile:
    """NAME.npy (H, W) float16 and NAME.png, in which each pixel is the highest value of its box.

    What is in memory is the small picture alone.
    """

    def __init__(self, folder: Path, name: str, size: tuple[int, int]) -> None:
        self.folder, self.name, self.size, self.row = folder, name, size, 0
        self.box = -(-max(size) // MOST)
        self.small = np.full([-(-side // self.box) for side in size], -np.inf, np.float32)
        self.most = -np.inf

    def __enter__(self) -> MapFile:
        self.file = open(self.folder / f"{self.name}.npy", "wb")
        header = {"descr": np.lib.format.dtype_to_descr(KIND), "fortran_order": False, "shape": self.size}
        np.lib.format.write_array_header_1_0(self.file, header)
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.file.close()
        if kind is None:
            self._draw()

    def add(self, rows: Tensor) -> None:
        """The next rows (R, W)."""
        values = rows.numpy().clip(np.finfo(KIND).min, np.finfo(KIND).max).astype(KIND)
        self.file.write(values.tobytes())
        columns = np.maximum.reduceat(values.astype(np.float32), range(0, self.size[1], self.box), axis=1)
        np.maximum.at(self.small, (self.row + np.arange(len(values))) // self.box, columns)
        self.row, self.most = self.row + len(values), max(self.most, float(values.max()))

    def _draw(self) -> None:
        import torch
        from PIL import Image

        from hvae.explore.tiles import pixels
        from hvae.study.heat import painted

        Image.fromarray(pixels(painted(torch.from_numpy(self.small)[None])[0])).save(self.folder / f"{self.name}.png")


def bytes_of(size: tuple[int, int]) -> int:
    """What the file of a map takes."""
    return size[0] * size[1] * KIND.itemsize
