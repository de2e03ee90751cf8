"""What a restoration leaves: draws and what is read from them, errors where the whole pictures are known, files.

    FOLDER/draws.npy      (N, K, ...) in [0, 1]; mean.npy, deviation.npy, best.npy, (N, ...) each
    FOLDER/observed.npy   what was seen; of hidden values NaN
    FOLDER/table.csv      of a table: its rows, the empty cells filled (or table.parquet, as the input was)
    FOLDER/cells.csv      of a table: each cell that was filled, with the deviation or the share of the draws
    FOLDER/sheet.png      what was seen beside all of them, for the first pictures
    FOLDER/pictures/      the best draw of each, as PNG
    FOLDER/restoration.json

Shapes: `N` pictures; `K` draws; `C H W` a picture; `...` a datum.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.files import making, write_text
from hvae.records import JSON

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.restoration import Restored
    from hvae.study.tasks import Task

ROWS, DRAWS = 8, 4
"""Pictures on the sheet, and draws beside each, at most."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Restoration:
    """Draws of N pictures given what is seen of them; `passes`, walks of the model that each took; `views` of it that
    the draws are spread over; `noun`, of one."""

    task: str
    way: str
    seed: int
    passes: int
    target: Task
    restored: Restored
    views: int = 1
    noun: str = "picture"

    @property
    def draws(self) -> Tensor:
        """(N, K, ...) in [0, 1]."""
        return self.restored.draws

    @property
    def mean(self) -> Tensor:
        """Of the draws, (N, ...): the estimate of least squared error."""
        return self.restored.mean

    @property
    def deviation(self) -> Tensor:
        """Standard deviation over the draws, (N, ...)."""
        return self.restored.deviation

    @property
    def best(self) -> Tensor:
        """The draw of the highest log p(what is seen, z), (N, ...)."""
        return self.restored.best

    def errors(self) -> dict[str, float]:
        """PSNR of all pixels against the whole pictures in dB, the mean over pictures, where these are known.

        `before`, of the first guess: what is seen, enlarged, its gaps at its mean; `one`, of one draw; `mean` and
        `best`.
        """
        from hvae.metrics import psnr

        truth = self.target.truth
        if truth is None:
            return {}
        before = self.target.observation.start()
        pictures = {"before": before, "one": self.draws[:, 0], "mean": self.mean, "best": self.best}
        return {name: float(psnr(picture, truth).mean()) for name, picture in pictures.items()}

    def to_dict(self) -> JSON:
        """Plain values for JSON: what `hvae restore --json` gives."""
        return {
            "task": self.task,
            "way": self.way,
            "number": len(self.draws),
            "draws": self.draws.shape[1],
            "views": self.views,
            "passes": self.passes,
            "seed": self.seed,
            "deviation": float(self.deviation.mean()),
            # A picture without an error has an infinity, which JSON does not know.
            "psnr": {name: value if isfinite(value) else None for name, value in self.errors().items()} or None,
        }

    def write(self, folder: Path) -> None:
        """Write everything into a new folder, which is whole or not there."""
        import numpy as np

        with making(folder) as temporary:
            arrays = {"draws": self.draws, "mean": self.mean, "deviation": self.deviation, "best": self.best}
            for name, array in {**arrays, "observed": self._observed()}.items():
                np.save(temporary / f"{name}.npy", array.numpy())
            write_text(temporary / "restoration.json", json.dumps(self.to_dict(), indent=2) + "\n")
            if self.target.table:
                table = self.target.table
                (temporary / f"table{table.suffix}").write_bytes(table.content(self.draws))
                write_text(temporary / "cells.csv", table.certainties(self.draws))
            if self.draws.ndim == 5:
                self._draw(temporary)

    def _observed(self) -> Tensor:
        import torch

        from hvae.restoration import Exact, Linear, OwnNoise

        observation = self.target.observation
        if isinstance(observation, Exact):
            return torch.where(observation.seen, observation.x, torch.nan)
        assert isinstance(observation, Linear | OwnNoise)
        return observation.y

    def _draw(self, folder: Path) -> None:
        import torch
        from PIL import Image

        from hvae.explore.tiles import grid, pixels

        (folder / "pictures").mkdir()
        for i, picture in enumerate(self.best):
            Image.fromarray(pixels(picture)).save(folder / "pictures" / f"{i:04d}.png")
        columns = self._columns()
        faces = torch.stack([column[:ROWS] for column in columns.values()], 1)  # (R, M, C, H, W)
        (folder / "sheet.png").write_bytes(grid(faces, columns=list(columns)))

    def _columns(self) -> dict[str, Tensor]:
        """What stands side by side on the sheet, {title: (N, C, H, W)}; deviations as a share of the largest."""
        truth = {} if self.target.truth is None else {"whole": self.target.truth}
        spread = self.deviation / self.deviation.max().clamp_min(1e-12)
        draws = {f"draw {i + 1}": self.draws[:, i] for i in range(min(DRAWS, self.draws.shape[1]))}
        inputs = self._shown()
        return {**truth, "seen": inputs, "best": self.best, "mean": self.mean, "deviation": spread, **draws}

    def _shown(self) -> Tensor:
        """What is seen, in the form of the pictures: grey where hidden, and enlarged by its pixels."""
        import torch
        import torch.nn.functional as F

        shape = self.draws.shape[2:]
        values = torch.nan_to_num(self._observed(), 0.5).clamp(0, 1)
        enlarged = F.interpolate(values, size=tuple(shape[1:]), mode="nearest")
        return enlarged.expand(-1, shape[0], -1, -1)
