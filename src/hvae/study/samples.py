"""Pictures drawn from a run, as a file.

Pictures are drawn as many at once as an evaluation would walk, 64 at most.  The rows are part of what a seed
determines, and so is the kind of device: both follow from the model and the configuration, never from what is free.

Shapes: `N` pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.capacity import check_memory
from hvae.config.run import Overrides
from hvae.errors import HvaeError, entries
from hvae.runs.columns import columns_of
from hvae.study.backends import PLAIN, check_backend, engine_of
from hvae.study.conditions import complete, meanings, numbers
from hvae.study.places import check_place
from hvae.study.placing import Place, at_once, by_rest, every, place, uniform_levels
from hvae.study.progress import Tell, silent
from hvae.study.sampled import Samples
from hvae.study.sequence_samples import SequenceSamples, draw_sequences
from hvae.study.sheets import check_picture, check_suffix, times, write
from hvae.study.tables import check_rows, write_table

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.condition import Context
    from hvae.distributions.ranked import Among
    from hvae.engine import Engine
    from hvae.explore.guide import Guidance
    from hvae.explore.narrow import TopK, TopP
    from hvae.explore.sample import Sampling, Temperature
    from hvae.study.conditions import Named
    from hvae.walk import Model

PICTURES, SEQUENCES = 16, 4
"""How many are drawn where nobody says it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class _Wish:
    """How samples are to be drawn, as `draw_samples` says."""

    temperature: Temperature
    guidance: Guidance
    top_k: TopK
    top_p: TopP
    context: Named
    seed: int | None
    cells: Mapping[str, Sequence[int]] | None
    pixels: bool
    recalibrate: int
    solver: str
    enlarge: str
    engine: Engine


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
    backend: str = PLAIN,
    overrides: Overrides | None = None,
    trust: Sequence[str] = (),
    tell: Tell = silent,
) -> Samples | SequenceSamples:
    """Draw pictures from a run and write them, side by side into a .png or .jpg file or as numbers into an .npy file;
    from a run of a table draw rows, into a .csv, .parquet or .npy file.

    From a run of sequences draw those, as `draw_sequences` does, with `steps` and `beginning`, which no picture has.

    Arguments: `out`, the file (RUN/samples.png by default, or .csv); `number` of pictures (16 by default);
    `temperature` of all levels or by name, "" for the others; `guidance`, how closely all levels, or each by name,
    follow the context (1: as the model does); `top_k` and `top_p`, among which codes is drawn where there is a trained
    prior over codes: so many of the most probable, and the fewest that hold such a share, of all levels or by name;
    `context` of a conditional model by name; `seed`, for the same pictures again (drawn anew by default); `cells`, a
    seed for each picture in each level instead, as `hvae.cells` takes them; `pixels`, draw the pixels too;
    `recalibrate`, batches that the statistics of batch norm are fitted to first; `solver` of a diffusion and its steps,
    as "ddim:50"; `enlarge`, "auto" or how many times as large; `backend`, what computes plain samples: torch,
    onnxruntime, openvino or compile, the same pictures of a seed to rounding; `overrides`, {"train.accelerator":
    "cpu"}; `trust`, packages whose code the run may name; `tell`, called with a line where something is worth saying.
    Raises HvaeError before any work for what cannot be drawn or written.
    """
    check_backend(backend)
    where = place(run, overrides, trust)
    wish = _Wish(
        temperature=temperature,
        guidance=guidance,
        top_k=top_k,
        top_p=top_p,
        context=entries(context),
        seed=seed,
        cells=cells,
        pixels=pixels,
        recalibrate=recalibrate,
        solver=solver,
        enlarge=enlarge,
        engine=engine_of(where.run, backend, tell),
    )
    number = number if cells is None else _check_cells(cells, where.run.model, number, wish)
    if where.run.model.timed:
        _check_unpictured(where.run.model, wish)
        return draw_sequences(
            where,
            out,
            number=number or SEQUENCES,
            steps=steps,
            beginning=beginning,
            temperature=temperature,
            guidance=guidance,
            context=context,
            seed=seed,
            tell=tell,
        )
    if steps is not None or beginning is not None:
        raise HvaeError(f"{where.run.folder} draws pictures, which have no steps: leave --steps and --continue out")
    columns = columns_of(where.run)
    file = Path(out or where.run.folder / f"samples{'.png' if columns is None else '.csv'}")
    # Cells are drawn: a name has no mean.
    return _pictures(where, file, number or PICTURES, replace(wish, pixels=wish.pixels or columns is not None))


def _pictures(where: Place, file: Path, number: int, wish: _Wish) -> Samples:
    """Draw pictures and write them.  Raises HvaeError before anything is recalibrated or drawn."""
    import torch

    from hvae.explore.sample import Sampling

    run, columns = where.run, columns_of(where.run)
    if wish.enlarge != "auto" and (columns is not None or file.suffix.lower() == ".npy"):
        raise HvaeError(f"--enlarge is about pictures, and {file} will hold none; leave it out")
    if columns is None:
        _check_sheet(file, number, run.model.shape, wish.enlarge)
    else:
        check_rows(file, number, len(columns))
    context = numbers(run.model, wish.context, meanings(run))
    complete(run.model, context)
    seed = torch.seed() % 2**32 if wish.seed is None else wish.seed
    model, rows = where.model(), at_once(run.model)
    among, weights = _among(model, wish), _weights(model, wish, context)
    how = Sampling(
        context=context,
        temperature=every(wish.temperature, run.model),
        guidance=weights,
        top_k={name: some.k for name, some in among.items() if some.k is not None},
        top_p={name: some.p for name, some in among.items()},
        solver=wish.solver,
        seed=seed,
        chunk=rows,
        engine=wish.engine,
    )
    pictures = _drawn(model, number, how, wish)
    if columns is None:
        write(file, pictures, wish.enlarge)
    else:
        write_table(file, pictures, run)
    return Samples(
        file=file,
        pictures=pictures,
        noun=run.noun,
        temperature=by_rest(wish.temperature),
        guidance={name: weight for name, weight in weights.items() if weight != 1},
        among={name: some._asdict() for name, some in among.items()},
        seed=seed,
        rows=rows,
        recalibrate=wish.recalibrate,
        solver=wish.solver,
        uniform=uniform_levels(model),
        cells=wish.cells or {},
        use=wish.engine.use,
    )


def _drawn(model: Model, number: int, how: Sampling, wish: _Wish) -> Tensor:
    """Pictures (N, ...) by a model whose statistics of batch norm are fitted first, where that is wished."""
    from hvae import explore
    from hvae.explore.frame import drawn_picture, mean_picture

    if wish.recalibrate:
        model = explore.recalibrate(model, temperature=how.temperature, iterations=wish.recalibrate, seed=how.seed)
    if wish.cells is not None:
        return explore.cells(
            model,
            wish.cells,
            temperature=how.temperature,
            context=how.context,
            guidance=how.guidance,
            chunk=how.chunk,
        )
    return how.draw(model, number, drawn_picture if wish.pixels else mean_picture)


def _among(model: Model, wish: _Wish) -> dict[str, Among]:
    """Among which codes each level is drawn.  Raises HvaeError for what fits no level, and for no solver."""
    from hvae.explore.narrow import narrowing
    from hvae.explore.sample import check_solver

    check_solver(model, wish.solver)
    return narrowing(model, wish.top_k, wish.top_p)


def _weights(model: Model, wish: _Wish, context: Context) -> dict[str, float]:
    """How closely each level follows the context.  Raises HvaeError where a model cannot be guided."""
    from hvae.explore.guide import weights
    from hvae.walk import names

    by_level = every(wish.guidance, model)
    weights(by_level, model, names(model), context)
    return by_level


def _check_sheet(file: Path, number: int, shape: tuple[int, ...], enlarge: str) -> None:
    """Raises HvaeError, before anything is drawn, for a file that cannot hold the pictures, and for too many."""
    check_suffix(file)
    check_place(file)
    check_picture(number, shape, file)
    check_memory(4 * number * prod(shape), f"drawing {number:,} pictures", "draw fewer with -n")
    times(enlarge, number, shape)


def _check_cells(cells: Mapping[str, Sequence[int]], model: Model, number: int | None, wish: _Wish) -> int:
    """How many pictures the cells are of.  Raises HvaeError for options that they leave no room for."""
    count = max(map(len, cells.values()), default=0)
    if model.timed:
        raise HvaeError("--cells is about pictures, and this run is one of sequences; leave it out")
    if number not in (None, count):
        raise HvaeError(f"--cells: expected a seed for each of {number} pictures, got {count}; leave -n out")
    if wish.seed is not None:
        raise HvaeError("--seed: the cells have seeds of their own; leave it out, or --cells")
    if wish.engine.use.is_other or wish.pixels or wish.solver:
        raise HvaeError("--cells: expected neither --pixels, --solver nor --backend; leave them out")
    return count


def _check_unpictured(model: Model, wish: _Wish) -> None:
    """Raises HvaeError for options that speak of pictures, or of codes, of a run that has none."""
    from hvae.explore.narrow import narrowing

    narrowing(model, wish.top_k, wish.top_p)
    options = {
        "--pixels": wish.pixels,
        "--recalibrate": wish.recalibrate,
        "--enlarge": wish.enlarge != "auto",
        "--solver": bool(wish.solver),
    }
    for option, is_set in options.items():
        if is_set:
            raise HvaeError(f"{option} is about pictures, and this run is one of sequences; leave it out")
