"""Pictures restored from what is seen of them: draws, their mean, spread and best, as files and as a sheet.

Shapes: `N` pictures; `K` draws; `C H W` a picture; `...` a datum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.capacity import check_memory
from hvae.config.run import Overrides
from hvae.counts import whole
from hvae.errors import HvaeError, entries
from hvae.files import free
from hvae.screen.numbers import counted, output_noun
from hvae.study.asked import Asked
from hvae.study.places import check_place
from hvae.study.placing import place
from hvae.study.progress import Bars, Progress, bars
from hvae.study.restoration_ways import DIFFUSE, PARTIAL, WAYS, check_effort, check_name, chosen_way, ways_of
from hvae.study.restored import Restoration
from hvae.study.restoring import Effort, rows_of, walked
from hvae.study.tables import is_mixed
from hvae.study.tasks import OWN, Task, own_noise, task

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.data.sources import Source
    from hvae.study.conditions import Named
    from hvae.study.masks import Mask

SWEEPS = {DIFFUSE: 10}
"""Walks of a draw, unless others are asked for; of a chain `MANY`."""
MANY = 20
LEAST = {"draws": 1, "factor": None, "steps": 0, "sweeps": 1, "number": 1, "seed": 0}
STEPS = 50
"""Of a refinement, unless others are asked for."""


def restore(
    run: str | Path | LoadedRun,
    data: str | Path | Source,
    *,
    task: str,
    mask: Mask | None = None,
    noise: str | float | None = None,
    factor: int | None = None,
    way: str | None = None,
    draws: int = 8,
    steps: int | None = None,
    sweeps: int | None = None,
    pixels: bool = False,
    views: int = 1,
    degrade: bool = False,
    number: int = 16,
    seed: int = 0,
    out: str | Path | None = None,
    context: Named | None = None,
    overrides: Overrides | None = None,
    trust: Sequence[str] = (),
    progress: Progress | Bars | None = None,
) -> Restoration:
    """Samples from p(x given what is seen of it), and their mean, standard deviation and best.

    Arguments: `data`, pictures to restore: a folder, an array file, or data in memory; "test", "valid" or "train" for
    the run's own, of which something is hidden; the first `number` of them; `task`, "inpaint" or "impute" (hidden
    values, by `mask`: a box "x,y,w,h", a share such as 0.3, a picture white where hidden, bool (N, ...); or NaN in
    floats), "denoise" (`noise`, a standard deviation in units of data in [0, 1], or "own", that of the run's
    likelihood, unasked where that is noise), "superres" (`factor`) and "colour" (of both `noise` says how closely what
    is seen must be met); `way`,
    "refine" (gradient `steps` for each picture, 50 unless asked for others, none under a noise of the run's own; every
    task) or, for hidden values, "gibbs" and "metropolis" (`sweeps`), and "partial", for a run whose inference has
    learnt to read partly seen data (`objective.kind` matching; refined by `steps` where some are asked for); of
    diffusions "diffuse", which walks down from noise and keeps to what is seen (`sweeps` times, 10 unless asked for
    others; noise is taken out in one walk); refine where none is named, and diffuse of a diffusion;
    `draws` a picture; `pixels`, draw the pixels from their likelihood too; `views` of each picture that the draws of
    "denoise" are spread over: 1 as it is, 2 with its mirror image, 4 with both upside down, 8 with quarter turns, so
    that the restoration of a mirrored or turned picture is the mirrored or turned one; `degrade`, the pictures are
    whole: make the observations of them, and measure against them; `seed` of all draws; `out`, a new folder for files;
    `context` of a conditional model; `overrides`, keys of where the data are; `trust`, packages whose code the run may
    name.
    Raises HvaeError before any work for what cannot be restored.
    """
    check_name(way, task)
    _check_work({"draws": draws, "factor": factor, "steps": steps, "sweeps": sweeps, "number": number, "seed": seed})
    if out is not None:
        check_place(Path(out))
        free(Path(out))
    where = place(run, overrides, trust)
    way = chosen_way(where.run, ways_of(where.run), way, task)
    check_effort(way, task, steps, sweeps)
    _check_views(where.run, task, views, draws)
    noise = own_noise(where.run, task) if noise is None else noise
    _check_noise(noise, way)
    least = 0 if noise == OWN or way == PARTIAL else STEPS
    effort = Effort(
        draws=draws,
        steps=least if steps is None else steps,
        sweeps=1 if task == "denoise" else sweeps or SWEEPS.get(way, MANY),
        pixels=pixels or is_mixed(where.run),
        views=views,
    )
    request = Asked(
        task=task,
        data=data,
        mask=mask,
        noise=noise,
        factor=factor,
        degrade=degrade,
        number=number,
        seed=seed,
        context=entries(context),
        overrides=where.overrides,
    )
    target = _task(where.run, request, draws)
    _check_size(where.run, target, way)
    restored, passes = walked(where.model(), target, WAYS[way](effort, noise == OWN), effort, seed, bars(progress))
    restoration = Restoration(
        task=task,
        way=way,
        seed=seed,
        views=views,
        passes=passes,
        target=target,
        restored=restored,
        noun=output_noun(where.run.noun),
    )
    if out is not None:
        restoration.write(Path(out))
    return restoration


def _check_work(work: Mapping[str, int | None]) -> None:
    """Raises HvaeError for work that is none."""
    for option, least in LEAST.items():
        if work[option] is not None:
            whole(f"--{option}", work[option], least)


def _check_noise(noise: str | float | None, way: str) -> None:
    """Raises HvaeError for the noise of a diffusion's own: its likelihood is a grid of values, without any."""
    if noise == OWN and way == DIFFUSE:
        raise HvaeError(
            "--noise own is for runs that have learnt from noisy pictures, and a diffusion has not; give "
            "the standard deviation: --noise 25/255"
        )


def _check_size(run: LoadedRun, target: Task, way: str) -> None:
    """Raises HvaeError for pictures of which a diffusion would need tiles: only a refinement's share their noise."""
    if target.tiling and way == DIFFUSE:
        own, height, width = run.model.shape[1:], *target.tiling.picture
        raise HvaeError(
            f"expected pictures of {own[0]} x {own[1]}, as this diffusion has them, got {height} x {width}; cut them, "
            "or restore them with a ladder, which goes over larger ones tile by tile"
        )


def _check_views(run: LoadedRun, task: str, views: int, draws: int) -> None:
    """Raises HvaeError for views that the pictures do not have, and for draws that they do not share evenly."""
    from hvae.restoration import GROUPS

    if whole("--views", views, None) not in GROUPS:
        raise HvaeError(f"--views: expected one of {', '.join(map(str, GROUPS))}, got {views}")
    shape = run.model.shape
    if views > 1 and (task != "denoise" or len(shape) != 3):
        raise HvaeError(f"--views is for --task denoise of pictures, got {task} of {run.noun}; leave it out")
    if views > 4 and shape[1] != shape[2]:
        sides = f"{shape[2]} x {shape[1]}"
        raise HvaeError(f"--views {views} turns by quarters, and the model's pictures are {sides}; expected at most 4")
    if draws % views:
        raise HvaeError(f"--draws: expected a multiple of --views {views}, got {draws}")


def _task(run: LoadedRun, request: Asked, draws: int) -> Task:
    target = task(run, request)
    needed = 8 * draws * rows_of(target) * prod(run.model.shape)
    what = f"{counted(draws, 'draw')} of {counted(len(target.observation), output_noun(run.noun))}"
    check_memory(needed, what, "take fewer --draws, or fewer with -n")
    return target
