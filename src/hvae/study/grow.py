"""A trained model that learns new data without losing the old: more levels on top, and samples of what it was.

    grown     levels above the old ones, exactly nothing at first (`hvae.levels.grown`)
    replay    new data and samples of the old model in one training set: Shin et al. 2017, arXiv 1705.08690
    novel     log p of the new data is mostly below the range of the run's own validation data

Shapes: `N` pictures; `C H W` a picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from os.path import lexists
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.capacity import check_memory
from hvae.config.data import KNOWN, DataConfig
from hvae.config.families import FAMILIES
from hvae.config.model import GrowingConfig
from hvae.config.run import Overrides, RunConfig
from hvae.errors import HvaeError
from hvae.files import expanded, free, resolved
from hvae.records import JSON
from hvae.runs.form import files
from hvae.runs.subject import Tell, vouched
from hvae.screen.numbers import percent, share
from hvae.study.beforehand import check_files, check_parts
from hvae.study.evaluate import check_wanted
from hvae.study.places import check_place
from hvae.study.placing import at_once, place
from hvae.study.progress import Bars, Progress, bars, silent
from hvae.study.score import score
from hvae.study.train import TrainedRun, train

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.data import ImageData, Split
    from hvae.study.progress import Tick
    from hvae.walk import Model

MOSTLY = 0.5
"""Share of the new data beyond the quantile of the old from which on they are novel: their median is outside."""
HELD = 0.1
"""Share of new pictures that is held out of training for validation and as much for the test, where a file says
nothing of it."""


@dataclass(frozen=True, kw_only=True)
class Novelty:
    """How much of new data a run finds unusual: the share `beyond` the `quantile` of -log p of its validation data."""

    beyond: float
    quantile: float
    threshold: float
    number: int

    @property
    def is_novel(self) -> bool:
        """Whether most of them are."""
        return self.beyond > MOSTLY

    def __str__(self) -> str:
        verb = "novel" if self.is_novel else "not novel"
        return (
            f"{verb}: -log p of {share(self.beyond)} of {self.number:,} new pictures is above {self.threshold:.1f} "
            f"nats, the {percent(self.quantile)} quantile of the run's validation data"
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Growth:
    """What became of a growth: the run, None where the data were not novel; `added`, the names of the new levels."""

    run: TrainedRun | None
    added: tuple[str, ...] = ()
    replayed: int = 0
    novelty: Novelty | None = None

    def to_dict(self) -> JSON:
        """Plain values for JSON: what `hvae grow --json` gives."""
        novelty = self.novelty
        return {
            "run": self.run.to_dict() if self.run else None,
            "added": list(self.added),
            "replayed": self.replayed,
            "novelty": None if novelty is None else {**vars(novelty), "is_novel": novelty.is_novel},
        }


def grow(
    run: str | Path,
    data: str | Path,
    out: str | Path,
    *,
    levels: int = 1,
    latent: int = 8,
    freeze: bool = False,
    replays: int | None = None,
    if_novel: bool = False,
    quantile: float = 0.95,
    seed: int = 0,
    overrides: Overrides | None = None,
    trust: Sequence[str] = (),
    progress: Progress | Bars | None = None,
    tell: Tell | None = None,
) -> Growth:
    """Add levels to a trained run and train it on new data into a new run folder.

    Arguments: `run`, a run folder; `data`, a known set, a folder of pictures or an array file; `out`, the new folder;
    `levels` to add on top (0: none, which is fine-tuning), each of `latent` dimensions or channels; `freeze`, train
    what was added alone; `replays`, so many samples of the old run are trained on beside the new data (none: as many
    as there are new pictures to train on), kept in OUT-replay.npz; `if_novel`, grow only where more than half of the
    new data are beyond the `quantile` of -log p of the run's validation data; `seed` of the samples; `overrides`,
    keys of the training and of where the data are.

    Raises HvaeError before any work for a family that cannot grow, and for what cannot be trained.
    """
    hear, watched, keys = tell or silent, bars(progress), dict(overrides or {})
    where, folder = place(run, {}, trust), Path(out)
    old = where.run
    _check(old, levels, freeze)
    check_place(folder)
    free(folder)
    file = folder.with_name(f"{folder.name}-replay.npz")
    if lexists(file):
        raise HvaeError(f"{file}, for the samples of the old model, is there already: move it, or choose another --out")
    config = _configured(old, str(run), str(data), levels, latent, keys)
    new = _loaded(old, config)
    novelty = _novelty(old, data, config, quantile, trust, watched) if if_novel else None
    if novelty:
        hear(str(novelty))
    if novelty and not novelty.is_novel:
        return Growth(run=None, novelty=novelty)
    added = _added(old, config)
    if freeze:
        config = config.override({"train.only": _parts(old, config)})
    _check_start(config, trust)
    count = len(new.train) if replays is None else replays
    if count:
        with watched.bar("samples of the old model") as tick:
            _replay(where.model(), new.train, count, file, seed, tick)
        config = config.override({"data.replay": str(file)})
    with _of_a_run(file, folder):
        done = train(config, out=folder, trust=trust, progress=progress, tell=tell)
    return Growth(run=done, added=added, replayed=count, novelty=novelty)


def _check(run: LoadedRun, levels: int, freeze: bool) -> None:
    """Raises HvaeError for a run that cannot grow as it is asked to."""
    config = run.config.model
    if not isinstance(config, GrowingConfig):
        able = [name for name, family in FAMILIES.items() if issubclass(family.config, GrowingConfig)]
        raise HvaeError(f"{run.folder} is of the family {config.family}, which cannot grow; {', '.join(able)} can")
    if config.condition.kind != "none":
        raise HvaeError(f"{run.folder} is told a condition, which samples do not replay; grow a run without one")
    if freeze and not levels:
        raise HvaeError("--freeze trains what is added alone, and --levels 0 adds nothing; leave one of them out")


def _check_start(config: RunConfig, trust: Sequence[str]) -> None:
    """Raises HvaeError, before anything is drawn, for what the training would refuse after it."""
    from hvae.training.engine import engine

    check_wanted(config.evaluate, vouched(trust, {}))
    check_files(config.evaluate)
    check_parts(config)
    engine(config.train)


@contextmanager
def _of_a_run(file: Path, folder: Path) -> Iterator[None]:
    """No file of samples stays beside a run that was refused before it began."""
    try:
        yield
    except HvaeError:
        if not folder.exists():
            file.unlink(missing_ok=True)
        raise


def _configured(run: LoadedRun, folder: str, data: str, levels: int, latent: int, overrides: Overrides) -> RunConfig:
    """The training of the grown run, without what is replayed."""
    model = run.config.model
    assert isinstance(model, GrowingConfig)
    grown = replace(model, grown=(*model.grown, *[latent] * levels))
    config = replace(run.config, model=grown, data=_source(run, data, overrides))
    started = {"train.init": str(resolved(expanded(folder))), "train.only": ()}
    return config.override({**started, **overrides})


def _source(run: LoadedRun, data: str, overrides: Overrides) -> DataConfig:
    """Where new data are, in the form of the run."""
    if data in KNOWN:
        return replace(run.config.data, name=data, path="", attributes="", replay="")
    config = files(run, data)
    return replace(config, valid=HELD, test=HELD, flip=run.config.data.flip)


def _loaded(run: LoadedRun, config: RunConfig) -> ImageData:
    from hvae.data import load

    new = load(config.data)
    run.check_form(new.shape, new.bits, new.provenance.name)
    return new


def _novelty(
    run: LoadedRun, data: str | Path, config: RunConfig, quantile: float, trust: Sequence[str], watched: Bars
) -> Novelty:
    where = {key: value for key, value in vars(config.data).items() if key == "root" and value}
    moved = {f"data.{key}": value for key, value in where.items()}
    scores = score(run, data, by="nll", quantile=quantile, overrides=moved, trust=trust, progress=watched)
    count = len(scores)
    return Novelty(beyond=scores.foreign / count, quantile=quantile, threshold=scores.threshold, number=count)


def _added(run: LoadedRun, config: RunConfig) -> tuple[str, ...]:
    """The names of the new levels, the lowest first."""
    from hvae.study.building import outline
    from hvae.walk import names

    own = names(run.model)
    every = names(outline(config.model, tuple(run.model.shape), run.bits))
    return tuple(reversed([name for name in every if name not in own]))


def _parts(run: LoadedRun, config: RunConfig) -> tuple[str, ...]:
    """The parts of the grown model that the old one does not have, as `train.only` names them."""
    from hvae.study.building import outline

    own = dict(run.model.named_parameters())
    every = outline(config.model, tuple(run.model.shape), run.bits).named_parameters()
    return tuple(dict.fromkeys(".".join(name.split(".")[:3]) for name, _ in every if name not in own))


def _replay(model: Model, like: Split, count: int, file: Path, seed: int, tick: Tick) -> None:
    """Samples of the old model in a file beside the new run, at the depth that the new pictures are stored with."""
    import torch

    from hvae.data.replay import write_replay

    check_memory(4 * count * prod(model.shape), f"drawing {count:,} samples", "ask for fewer with --replays")
    pictures = torch.cat(list(_samples(model, count, like.dynamic, seed, tick)))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_replay(file, pictures, like.depth)


def _samples(model: Model, count: int, grey: bool, seed: int, tick: Tick) -> Iterator[Tensor]:
    """Pictures (N, C, H, W) of p: their means where pixels are drawn anew in each batch, else drawn pixels."""
    from hvae.explore import sample
    from hvae.explore.sample import sample_pixels

    draw, rows = sample if grey else sample_pixels, at_once(model)
    for start in range(0, count, rows):
        yield draw(model, min(rows, count - start), seed=seed * 1_000_003 + start, chunk=rows).cpu()
        tick(min(start + rows, count), count)
