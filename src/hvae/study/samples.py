"""Pictures drawn from a run, as a file.

Pictures are drawn as many at once as an evaluation would walk, 64 at most.  The rows are part of what a seed
determines, and so is the kind of device: both follow from the model and the configuration, never from what is free.

Shapes: `N` pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.capacity import check_memory
from hvae.study.conditions import classes_of, complete, numbers
from hvae.study.places import check_place
from hvae.study.placing import REST, at_once, every, place
from hvae.study.sheets import check_suffix, times, write

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.explore.sample import Temperature
    from hvae.study.conditions import Named


@dataclass(frozen=True, eq=False, kw_only=True)
class Samples:
    """Pictures (N, C, H, W) in [0, 1] and how they were drawn; `rows`, how many at once."""

    file: Path
    pictures: Tensor
    temperature: Mapping[str, float]
    seed: int
    rows: int
    recalibrate: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: what `hvae sample --json` gives."""
        return {
            "file": str(self.file),
            "number": len(self.pictures),
            "temperature": dict(self.temperature),
            "seed": self.seed,
            "rows": self.rows,
            "recalibrate": self.recalibrate,
        }


def draw_samples(
    run: str | Path | LoadedRun,
    out: str | Path | None = None,
    *,
    number: int = 16,
    temperature: Temperature = 1.0,
    context: Named | None = None,
    seed: int | None = None,
    pixels: bool = False,
    recalibrate: int = 0,
    enlarge: str = "auto",
    overrides: Mapping[str, Any] | None = None,
    trust: Sequence[str] = (),
) -> Samples:
    """Draw pictures from a run and write them, side by side into a .png or .jpg file or as numbers into an .npy file.

    Arguments: `out`, the file (RUN/samples.png by default); `temperature` of all levels or by name, "" for the others;
    `context` of a conditional model by name; `seed`, for the same pictures again (drawn anew by default); `pixels`,
    draw the pixels too; `recalibrate`, batches that the statistics of batch norm are fitted to first; `enlarge`, "auto"
    or how many times as large; `overrides`, {"train.accelerator": "cpu"}; `trust`, packages whose code the run may
    name.  Raises HvaeError before any work for what cannot be drawn or written.
    """
    import torch

    from hvae import explore

    where = place(run, overrides, trust)
    file, shape = Path(out or where.run.folder / "samples.png"), where.run.model.shape
    check_suffix(file)
    check_place(file)
    check_memory(4 * number * prod(shape), f"drawing {number:,} pictures", "draw fewer with -n")
    times(enlarge, number, shape)  # refused now rather than when all is drawn
    said = numbers(where.run.model, context or {}, classes_of(where.run))
    complete(where.run.model, said)
    seed = torch.seed() % 2**32 if seed is None else seed
    model, by_level = where.model(), every(temperature, where.run.model)
    if recalibrate:
        model = explore.recalibrate(model, temperature=by_level, iterations=recalibrate, seed=seed)
    draw, rows = explore.sample_pixels if pixels else explore.sample, at_once(model)
    pictures = draw(model, number, context=said, temperature=by_level, seed=seed, chunk=rows)
    write(file, pictures, enlarge)
    asked = dict(temperature) if isinstance(temperature, Mapping) else {REST: temperature}
    return Samples(file=file, pictures=pictures, temperature=asked, seed=seed, rows=rows, recalibrate=recalibrate)
