"""The ways of a restoration by name: which serve a run and a task, and each made for an effort."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hvae.errors import HvaeError, unknown
from hvae.study.matching import MATCHING
from hvae.study.restoring import Effort
from hvae.study.tasks import CHAINS, TASKS

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.restoration import Way

REFINE, GIBBS, METROPOLIS, PARTIAL, DIFFUSE = "refine", "gibbs", "metropolis", "partial", "diffuse"
STEPPED = (REFINE, PARTIAL)
"""The ways whose work is steps of a gradient; that of the others is sweeps."""
DENOISE = "denoise"
TASKS_OF = {
    REFINE: tuple(TASKS),
    GIBBS: CHAINS,
    METROPOLIS: CHAINS,
    PARTIAL: CHAINS,
    DIFFUSE: (*CHAINS, DENOISE),
}
_CHAIN = "a chain moves a diffusion no further than the noise of its lowest level"
_REASONS = {
    REFINE: "it moves a q that is learnt and has a location: that of a diffusion is fixed, and that of codes has none",
    GIBBS: _CHAIN,
    METROPOLIS: _CHAIN,
    PARTIAL: "a diffusion has no inference that could learn to read parts",
    DIFFUSE: "it is for diffusions (model.family vdm)",
}


def ways_of(run: LoadedRun) -> tuple[str, ...]:
    """The ways that serve a run, first the one to take where none is named; the partial one where it was taught."""
    from hvae.restoration import serving

    names = (way.name for way in serving(run.model))
    return tuple(name for name in names if name != PARTIAL or run.config.objective.kind == MATCHING)


def check_name(name: str | None, task: str) -> None:
    """Raises HvaeError for a way or a task that is not there, and a way that does not serve the task, of any run."""
    if name is not None and name not in WAYS:
        raise unknown("way", name, WAYS)
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    if name is not None and name != DIFFUSE and task not in TASKS_OF[name]:
        raise HvaeError(f"--way {name} is for {' and '.join(TASKS_OF[name])}; for {task} leave --way out")


def check_effort(way: str, task: str, steps: int | None, sweeps: int | None) -> None:
    """Raises HvaeError for steps or sweeps of a way that has none, which would be ignored.

    >>> check_effort("gibbs", "inpaint", 50, None)
    Traceback (most recent call last):
    hvae.errors.HvaeError: --steps are those of refine and partial, and --way gibbs works by --sweeps; leave --steps out
    """
    if steps is not None and way not in STEPPED:
        raise HvaeError(
            f"--steps are those of {' and '.join(STEPPED)}, and --way {way} works by --sweeps; leave --steps out"
        )
    if sweeps is not None and way in STEPPED:
        raise HvaeError(
            f"--sweeps are those of chains and of {DIFFUSE}, and --way {way} works by --steps; leave --sweeps out"
        )
    if sweeps not in (None, 1) and task == DENOISE:
        raise HvaeError(f"--task {DENOISE} is one walk down from the noise that is there; leave --sweeps out")


def chosen_way(run: LoadedRun, ways: tuple[str, ...], name: str | None, task: str) -> str:
    """The way that was named, or the first of those of the run that serves the task.  Raises HvaeError for others."""
    if not ways:
        raise HvaeError(
            f"no way restores {run.noun} with {run.folder}: expected a model with latents, given which the values of a "
            "datum are independent and drawn at once; restore with another family, such as ladder"
        )
    serving = [way for way in ways if task in TASKS_OF[way]]
    if not serving:
        raise HvaeError(
            f"{run.folder} is restored by {' or '.join(ways)} alone, for {', '.join(TASKS_OF[ways[0]])}; for "
            f"--task {task} take another family, such as ladder"
        )
    if name is not None and name not in serving:
        raise _refusal(run, name, serving)
    return name or serving[0]


def _refusal(run: LoadedRun, name: str, serving: list[str]) -> HvaeError:
    if name == PARTIAL and DIFFUSE not in serving:
        keys = ("kind matching", *run.config.objective.weighing)
        words = " ".join(f"--objective.{key}" for key in keys)
        return HvaeError(
            f"--way partial: the inference of {run.folder} has seen whole data alone; teach it first: hvae train "
            f"{run.folder} --train.init {run.folder} {words} --out PARTIAL, then restore with PARTIAL"
        )
    return HvaeError(
        f"--way {name} does not serve {run.folder}: {_REASONS[name]}; leave it out, or take {' or '.join(serving)}"
    )


def _refine(effort: Effort, own_noise: bool) -> Way:
    from hvae.restoration import Refine

    # Inference that has learnt from noisy pictures alone reads a noisy one best.
    return Refine(steps=effort.steps, settle=0) if own_noise else Refine(steps=effort.steps)


def _gibbs(effort: Effort, own_noise: bool) -> Way:
    from hvae.restoration import Gibbs

    return Gibbs(sweeps=effort.sweeps)


def _metropolis(effort: Effort, own_noise: bool) -> Way:
    from hvae.restoration import Metropolis

    return Metropolis(sweeps=effort.sweeps)


def _partial(effort: Effort, own_noise: bool) -> Way:
    from hvae.restoration import Partial, Refine

    # It reads what is seen as it is, so that no sweep has to settle a first guess.
    return Refine(steps=effort.steps, settle=0) if effort.steps else Partial()


def _diffuse(effort: Effort, own_noise: bool) -> Way:
    from hvae.restoration import Diffuse

    return Diffuse(sweeps=effort.sweeps)


WAYS: dict[str, Callable[[Effort, bool], Way]] = {
    REFINE: _refine,
    GIBBS: _gibbs,
    METROPOLIS: _metropolis,
    PARTIAL: _partial,
    DIFFUSE: _diffuse,
}
