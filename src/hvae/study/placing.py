"""A model where it runs: on its device, with as many rows at once as fit, at one temperature a level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.config.run import Overrides
from hvae.errors import HvaeError
from hvae.runs.subject import device_of, safe_rows

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.walk import Model

ACCELERATOR = "train.accelerator"
REST = ""
"""The name that stands for all levels that are not named."""


def opened(run: str | Path | LoadedRun, trust: Sequence[str] = ()) -> LoadedRun:
    """The run of a folder; one that is loaded as it is."""
    from hvae.checkpoints import LoadedRun, load

    return run if isinstance(run, LoadedRun) else load(run, trust=trust)


@dataclass(frozen=True, eq=False)
class Place:
    """Where a run was: a folder's model goes to the device that its configuration means, a loaded one stays."""

    run: LoadedRun
    is_folder: bool
    overrides: Overrides

    def model(self) -> Model:
        """The model on its device.  Raises HvaeError where there is no such device."""
        where = {key: value for key, value in self.overrides.items() if key == ACCELERATOR}
        if not (self.is_folder or where):
            return self.run.model
        device = device_of(self.run.config.override(where))
        try:
            return self.run.model.to(device)
        except (RuntimeError, AssertionError) as fault:
            raise HvaeError(f"no {device} device here; add --{ACCELERATOR} cpu") from fault


def place(run: str | Path | LoadedRun, overrides: Overrides | None, trust: Sequence[str]) -> Place:
    """The run, loaded, and where its model goes."""
    return Place(opened(run, trust), isinstance(run, str | Path), overrides or {})


def at_once(model: Model) -> int:
    """Pictures drawn at once, 64 at most: as many as an evaluation, which also holds the features, walks at once."""
    import torch

    from hvae.datum import Datum
    from hvae.explore.frame import CHUNK

    context = {name: one.placeholder(1, torch.device("cpu")) for name, one in model.conditions.items()}
    return min(CHUNK, safe_rows(model, Datum(torch.zeros(1, *model.shape), context)))


def every(temperature: float | Mapping[str, float], model: Model) -> dict[str, float]:
    """One number a level, top first, as a temperature; 1 where none is asked for.

    Names that the model does not have are kept for `sample` to refuse.
    """
    from hvae.walk import names

    by_level = by_rest(temperature)
    rest = by_level.pop(REST, 1.0)
    return {**dict.fromkeys(names(model), rest), **by_level}


def by_rest(value: float | Mapping[str, float]) -> dict[str, float]:
    """One number for all levels, or numbers by level, as numbers by level with "" for the rest."""
    return dict(value) if isinstance(value, Mapping) else {REST: value}


def uniform_levels(model: Model) -> dict[str, int]:
    """Levels of codes without a trained prior, and the size of their codebooks."""
    from hvae.distributions.codebook import UniformCodes
    from hvae.walk import glimpse

    laws = {record.name: record.p for record in glimpse(model).latents}
    return {name: len(p.book) for name, p in laws.items() if isinstance(p, UniformCodes)}
