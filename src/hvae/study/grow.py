"""A trained model that learns new data without losing the old: more levels, and samples of what it was.

    grown     levels above the old ones (`hvae.levels.grown`) or below them (`hvae.levels.finer`), exactly nothing at
              first
    replay    new data and samples of the old model in one training set: Shin et al. 2017, arXiv 1705.08690
    novel     log p of the new data is mostly below the range of the run's own validation data

Shapes: `N` pictures; `C H W` a picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from os.path import lexists
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.capacity import check_memory
from hvae.config.data import KNOWN, DataConfig
from hvae.config.run import Overrides, RunConfig
from hvae.counts import whole
from hvae.errors import HvaeError
from hvae.files import expanded, free, resolved
from hvae.pretrained import is_packaged
from hvae.records import JSON
from hvae.runs.form import files
from hvae.runs.subject import Tell
from hvae.seeds import part_seed
from hvae.study.beforehand import check_files, check_parts
from hvae.study.evaluate import check_wanted
from hvae.study.growing import More, added, bigger, check_growth, parts
from hvae.study.novelty import Novelty, novelty
from hvae.study.places import check_place
from hvae.study.placing import at_once, place
from hvae.study.progress import Bars, Progress, bars, silent
from hvae.study.train import TrainedRun, train
from hvae.trust import vouched

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.data import ImageData, Split
    from hvae.study.progress import Tick
    from hvae.walk import Model

AT_ONCE: Overrides = {
    **{"objective.warmup.start": 0, "objective.warmup.length": 0, "objective.balance": False},
    **{"objective.regulariser.start": 0, "objective.layerwise": 0},
}
"""A warm-up and training from the top are for weights that begin anywhere: rates that are free again, and levels that
are drawn from their priors again, lose what was learnt."""
HELD = 0.1
"""Share of new pictures that is held out of training for validation and as much for the test, where a file says
nothing of it."""


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
    levels: int | None = None,
    below: int = 0,
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
    `levels` to add on top (none: 1, or 0 where some are added below; 0: none, which is fine-tuning), and so many
    `below`, at the next finer scale, each of `latent` dimensions or channels; `freeze`, train what was added alone;
    `replays`, so many samples of the old run are trained on beside the new data (none: as many as there are new
    pictures to train on), kept in OUT-replay.npz; `if_novel`, grow only where more than half of the new data are beyond
    the `quantile` of -log p of the run's validation data; `seed` of the samples; `overrides`, keys of the training and
    of where the data are.

    A warm-up, and training from the top, are not repeated unless `overrides` say so.  Raises HvaeError before any work
    for a family that cannot grow, and for what cannot be trained.
    """
    _check_counts({"levels": levels, "below": below, "latent": latent, "replays": replays, "seed": seed})
    hear, watched, keys = tell or silent, bars(progress), dict(overrides or {})
    where, folder = place(run, {}, trust), Path(out)
    old = where.run
    more = More(levels=int(not below) if levels is None else levels, below=below, latent=latent)
    check_growth(old, more, freeze)
    check_place(folder)
    free(folder)
    file = folder.with_name(f"{folder.name}-replay.npz")
    if lexists(file):
        raise HvaeError(f"{file}, for the samples of the old model, is there already: move it, or choose another --out")
    config = _configured(old, str(run), str(data), more, keys)
    new = _loaded(old, config)
    news = novelty(old, data, config, quantile, trust, watched) if if_novel else None
    if news:
        hear(str(news))
    if news and not news.is_novel:
        return Growth(run=None, novelty=news)
    names = added(old, config)
    if freeze:
        config = config.override({"train.only": parts(old, config)})
    _check_start(config, trust)
    count = len(new.train) if replays is None else replays
    if count:
        with watched.bar("samples of the old model") as tick:
            _replay(where.model(), new.train, count, file, seed, tick)
        config = config.override({"data.replay": str(file)})
    with _of_a_run(file, folder):
        done = train(config, out=folder, trust=trust, progress=progress, tell=tell)
    return Growth(run=done, added=names, replayed=count, novelty=news)


def _check_counts(counts: Mapping[str, int | None]) -> None:
    for option, count in counts.items():
        if count is not None:
            whole(f"--{option}", count, int(option == "latent"))


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


def _configured(run: LoadedRun, folder: str, data: str, more: More, overrides: Overrides) -> RunConfig:
    """The training of the grown run, without what is replayed."""
    config = replace(run.config, model=bigger(run, more), data=_source(run, data, overrides))
    place = folder if is_packaged(folder) else str(resolved(expanded(folder)))
    started = {"train.init": place, "train.only": ()}
    return config.override({**started, **AT_ONCE, **overrides})


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
        yield draw(model, min(rows, count - start), seed=part_seed(seed, start), chunk=rows).cpu()
        tick(min(start + rows, count), count)
