"""What a training is to be, and whether it may begin: a new run, or one that goes on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hvae.config.presets import PRESETS
from hvae.config.run import Overrides, RunConfig
from hvae.errors import HvaeError, short
from hvae.runs import is_unused
from hvae.runs.source import CONFIG, resolve, stored
from hvae.study.places import check_place
from hvae.study.sizing import asked_like

DEFAULT = "digits"
MOVED = ("root", "path", "attributes", "captions", "replay", "download")
"""Keys of the data that may change on the way: where they lie, not what they are."""

FILLED = ("vocabulary",)
"""Keys of the model that are 0 until the data have told them."""

Source = str | RunConfig
"""A preset, a YAML file or a run folder; or a configuration."""


@dataclass(frozen=True)
class Job:
    """What is trained, and where it goes."""

    config: RunConfig
    folder: Path
    resume: bool
    accepts_changes: bool = False
    """Whether a resumed run goes on though its images are others."""


def plan(
    source: Source | None,
    out: str | Path,
    resume: bool,
    overrides: Overrides,
    *,
    accepts_changes: bool = False,
) -> Job:
    """The training that these words mean."""
    if not isinstance(source, str | Path | RunConfig | None):
        raise HvaeError(f"expected a preset's name, a YAML file, a run folder or a RunConfig, got {short(source)}")
    folder = Path(out) if out else _folder(source)
    check_place(folder)
    if resume and os.path.isfile(folder / CONFIG):
        _check_resumable(folder)
        return Job(_continued(source, folder, overrides), folder, True, accepts_changes)
    if resume and source is None:
        raise HvaeError(f"nothing to resume in {folder}; name the run folder, as in: hvae train runs/NAME --resume")
    return Job(_config(source, overrides), folder, False)


def refuse_used(job: Job) -> None:
    """Raises HvaeError rather than write over an earlier run."""
    if not job.resume and not is_unused(job.folder):
        raise HvaeError(f"{job.folder} already exists; go on with it by --resume, or name another folder with --out")


def _config(source: Source | None, overrides: Overrides) -> RunConfig:
    return source.override(overrides) if isinstance(source, RunConfig) else resolve(source or DEFAULT, overrides)


def _check_resumable(folder: Path) -> None:
    """Raises HvaeError for weights without the state of their training: starting anew would write over them."""
    from hvae.training.saving import LAST, WEIGHTS

    if (folder / WEIGHTS).is_file() and not (folder / LAST).is_file():
        raise HvaeError(f"{folder} holds weights but no {LAST} to resume from (imported?); train into another folder")


def _folder(source: Source | None) -> Path:
    if isinstance(source, RunConfig):
        return Path("runs") / source.data.name
    name = source or DEFAULT
    return Path(name) if name not in PRESETS and os.path.isdir(name) else Path("runs") / Path(name).stem


def _continued(source: Source | None, folder: Path, overrides: Overrides) -> RunConfig:
    """The configuration of a run that goes on: its own, with what may still change."""
    own = stored(folder)
    config = asked_like(own.override(overrides), own)
    _check_same(own, config, folder)
    if isinstance(source, RunConfig) or (source is not None and Path(source) != folder):
        _check_same(own, asked_like(_config(source, overrides), own), folder)
    return config


def _check_same(own: RunConfig, other: RunConfig, folder: Path) -> None:
    """Raises HvaeError where another model or other data are asked for; data may have moved."""
    for section in ("model", "data"):
        mine, theirs = own.to_dict()[section], other.to_dict()[section]
        for key in dict.fromkeys([*mine, *theirs]):
            was, now = mine.get(key), theirs.get(key)
            if was != now and key not in MOVED and not (key in FILLED and not now):
                raise HvaeError(f"{folder} has {section}.{key} {was}, not {now}; a resumed run keeps it: use --out")
