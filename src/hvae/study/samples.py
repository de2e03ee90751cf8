"""Pictures drawn from a run, as a file.

Pictures are drawn as many at once as an evaluation would walk, 64 at most.  The rows are part of what a seed
determines, and so is the kind of device: both follow from the model and the configuration, never from what is free.

Shapes: `N` pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.capacity import check_memory
from hvae.config.run import Overrides
from hvae.errors import HvaeError
from hvae.records import JSON
from hvae.study.conditions import classes_of, complete, numbers
from hvae.study.places import check_place
from hvae.study.placing import REST, at_once, every, place
from hvae.study.progress import Tell, silent
from hvae.study.sequence_samples import SequenceSamples, draw_sequences
from hvae.study.sheets import check_picture, check_suffix, times, write

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.explore.guide import Guidance
    from hvae.explore.narrow import TopK, TopP
    from hvae.explore.sample import Temperature
    from hvae.study.conditions import Named
    from hvae.walk import Model

PICTURES, SEQUENCES = 16, 4
"""How many are drawn where nobody says it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Samples:
    """Pictures (N, C, H, W) in [0, 1] and how they were drawn; `rows`, how many at once."""

    file: Path
    pictures: Tensor
    temperature: Mapping[str, float]
    guidance: Mapping[str, float]
    among: Mapping[str, Mapping[str, float]]
    """Among which codes each level was drawn, {"k": 50, "p": 0.9}; levels that might have all are left out."""
    seed: int
    rows: int
    recalibrate: int
    solver: str
    uniform: Mapping[str, int]
    """Levels whose codes were drawn from the uniform prior, since none is trained, and how many codes there are."""
    cells: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """The seed of each picture in each level, where they had their own."""

    def to_dict(self) -> JSON:
        """Plain values for JSON: what `hvae sample --json` gives."""
        return {
            "file": str(self.file),
            "number": len(self.pictures),
            "temperature": dict(self.temperature),
            "guidance": dict(self.guidance),
            **({"among": {name: dict(some) for name, some in self.among.items()}} if self.among else {}),
            "seed": self.seed,
            "rows": self.rows,
            "recalibrate": self.recalibrate,
            **({"cells": {name: list(seeds) for name, seeds in self.cells.items()}} if self.cells else {}),
            **({"solver": self.solver} if self.solver else {}),
            **({"uniform_priors": dict(self.uniform)} if self.uniform else {}),
        }


def draw_samples(
    run: str | Path | LoadedRun,
    out: str | Path | None = None,
    *,
    number: int | None = None,
    temperature: Temperature = 1.0,
    guidance: Guidance = 1.0,
    top_k: TopK = None,
    top_p: TopP = 1.0,
    context: Named | None = None,
    seed: int | None = None,
    cells: Mapping[str, Sequence[int]] | None = None,
    pixels: bool = False,
    recalibrate: int = 0,
    solver: str = "",
    enlarge: str = "auto",
    steps: int | None = None,
    beginning: str | Path | None = None,
    overrides: Overrides | None = None,
    trust: Sequence[str] = (),
    tell: Tell = silent,
) -> Samples | SequenceSamples:
    """Draw pictures from a run and write them, side by side into a .png or .jpg file or as numbers into an .npy file.

    From a run of sequences draw those, as `draw_sequences` does, with `steps` and `beginning`, which no picture has.

    Arguments: `out`, the file (RUN/samples.png by default); `number` of pictures (16 by default); `temperature` of all
    levels or by name, "" for the others; `guidance`, how closely all levels, or each by name, follow the context (1: as
    the model does); `top_k` and `top_p`, among which codes is drawn where there is a trained prior over codes: so many
    of the most probable, and the fewest that hold such a share, of all levels or by name; `context` of a conditional
    model by name; `seed`, for the same pictures again (drawn anew by default); `cells`, a seed for each picture in each
    level instead, as `hvae.cells` takes them; `pixels`, draw the pixels too; `recalibrate`, batches that the statistics
    of batch norm are fitted to first; `solver` of a diffusion and its steps, as "ddim:50"; `enlarge`, "auto" or how
    many times as large; `overrides`, {"train.accelerator": "cpu"}; `trust`, packages whose code the run may name;
    `tell`, called with a line where something is worth saying.  Raises HvaeError before any work for what cannot be
    drawn or written.
    """
    import torch

    from hvae import explore
    from hvae.explore.guide import weights
    from hvae.explore.narrow import narrowing
    from hvae.explore.sample import check_solver
    from hvae.walk import names

    where = place(run, overrides, trust)
    if cells is not None:
        number = _check_cells(cells, where.run.model, number, seed, pixels, guidance, solver)
    if where.run.model.timed:
        narrowing(where.run.model, top_k, top_p)
        _check_unpictured(where.run.model, pixels, recalibrate, enlarge, guidance, solver)
        return draw_sequences(
            where,
            out,
            number=number or SEQUENCES,
            steps=steps,
            beginning=beginning,
            temperature=temperature,
            context=context,
            seed=seed,
            tell=tell,
        )
    number = number or PICTURES
    if steps is not None or beginning is not None:
        raise HvaeError(f"{where.run.folder} draws pictures, which have no steps: leave --steps and --continue out")
    file, shape = Path(out or where.run.folder / "samples.png"), where.run.model.shape
    _check_sheet(file, number, shape, enlarge)
    said = numbers(where.run.model, context or {}, classes_of(where.run))
    complete(where.run.model, said)
    seed = torch.seed() % 2**32 if seed is None else seed
    model, by_level = where.model(), every(temperature, where.run.model)
    followed = every(guidance, where.run.model)
    weights(followed, model, names(model), said)  # refused before anything is recalibrated
    check_solver(model, solver)
    among = narrowing(model, top_k, top_p)
    if recalibrate:
        model = explore.recalibrate(model, temperature=by_level, iterations=recalibrate, seed=seed)
    draw, rows = explore.sample_pixels if pixels else explore.sample, at_once(model)
    if cells is not None:
        pictures = explore.cells(model, cells, temperature=by_level, context=said, chunk=rows)
    else:
        pictures = draw(
            model,
            number,
            context=said,
            temperature=by_level,
            guidance=followed,
            top_k={name: some.k for name, some in among.items() if some.k is not None},
            top_p={name: some.p for name, some in among.items()},
            solver=solver,
            seed=seed,
            chunk=rows,
        )
    write(file, pictures, enlarge)
    asked = dict(temperature) if isinstance(temperature, Mapping) else {REST: temperature}
    return Samples(
        file=file,
        pictures=pictures,
        temperature=asked,
        guidance={name: weight for name, weight in followed.items() if weight != 1},
        among={name: some._asdict() for name, some in among.items()},
        seed=seed,
        rows=rows,
        recalibrate=recalibrate,
        solver=solver,
        uniform=_uniform(model),
        cells=cells or {},
    )


def _uniform(model: Model) -> dict[str, int]:
    """Levels of codes without a trained prior, and the size of their codebooks."""
    from hvae.distributions.codebook import UniformCodes
    from hvae.walk import glimpse

    laws = {record.name: record.p for record in glimpse(model).latents}
    return {name: len(p.book) for name, p in laws.items() if isinstance(p, UniformCodes)}


def _check_sheet(file: Path, number: int, shape: tuple[int, ...], enlarge: str) -> None:
    """Raises HvaeError, before anything is drawn, for a file that cannot hold the pictures, and for too many."""
    check_suffix(file)
    check_place(file)
    check_picture(number, shape, file)
    check_memory(4 * number * prod(shape), f"drawing {number:,} pictures", "draw fewer with -n")
    times(enlarge, number, shape)


def _check_cells(
    cells: Mapping[str, Sequence[int]],
    model: Model,
    number: int | None,
    seed: int | None,
    pixels: bool,
    guidance: Guidance,
    solver: str,
) -> int:
    """How many pictures the cells are of.  Raises HvaeError for options that they leave no room for."""
    count = max(map(len, cells.values()), default=0)
    if model.timed:
        raise HvaeError("--cells is about pictures, and this run is one of sequences; leave it out")
    if number not in (None, count):
        raise HvaeError(f"--cells: expected a seed for each of {number} pictures, got {count}; leave -n out")
    if seed is not None:
        raise HvaeError("--seed: the cells have seeds of their own; leave it out, or --cells")
    if pixels or solver or any(weight != 1 for weight in every(guidance, model).values()):
        raise HvaeError("--cells: expected neither --pixels, --guidance nor --solver; leave them out")
    return count


def _check_unpictured(
    model: Model, pixels: bool, recalibrate: int, enlarge: str, guidance: Guidance, solver: str
) -> None:
    """Raises HvaeError for options that speak of pictures or of a condition, of a run that has none."""
    from hvae.explore.guide import weights
    from hvae.walk import names

    options = {
        "--pixels": pixels,
        "--recalibrate": recalibrate,
        "--enlarge": enlarge != "auto",
        "--solver": bool(solver),
    }
    for option, is_set in options.items():
        if is_set:
            raise HvaeError(f"{option} is about pictures, and this run is one of sequences; leave it out")
    weights(every(guidance, model), model, names(model), {})
