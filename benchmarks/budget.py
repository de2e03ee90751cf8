"""Models at one budget: training steps that so many processor seconds pay for, measured once and stored for all seeds.

A step of each contender is timed on its own, by processor time, so that other work on the machine lengthens no
budget; the steps lie in OUT/steps.json, and a run that is finished is skipped, one that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median, stdev
from time import process_time

import torch
from alternating import Work
from scipy.stats import t

from hvae.config import RunConfig, preset
from hvae.datum import Datum
from hvae.objectives import build as build_objective
from hvae.runs import TRAINING, claiming
from hvae.runs.source import expected_shape
from hvae.study.fitting import fitted
from hvae.study.planning import plan
from hvae.study.train import train
from hvae.training.loss import Batch, LossStep
from hvae.training.optimisers import optimiser
from hvae.zoo import build

TIMED, FEWEST = 8, 50
"""Steps that are timed, of which the first is not counted, and the fewest that a run takes."""


@dataclass(frozen=True)
class Contender:
    """A preset with what it has beside it."""

    source: str
    keys: Mapping[str, object] = field(default_factory=dict)

    def config(self, **more: object) -> RunConfig:
        return preset(self.source, {**self.keys, **more})


def words(about: str | None, seconds: float) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """`run OUT` with its budget and `table OUT`; and the first by itself, for options of its own."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    runs = commands.add_parser("run")
    runs.add_argument("out", type=Path)
    runs.add_argument("--seconds", type=float, default=seconds, help="of processor time, for the steps of each run")
    commands.add_parser("table").add_argument("out", type=Path)
    return parser, runs


def fit(contender: Contender, folder: Path, name: str, seconds: float, more: Mapping[str, object]) -> None:
    """Train for so many processor seconds and measure what `more` says, unless that is done."""
    if (folder / "evaluation.json").exists():
        return
    start = process_time()
    if (folder / "last.ckpt").exists():
        train(str(folder), out=folder, resume=True)
    else:
        train(planned(contender, folder, name, seconds, more), out=folder)
    print(f"{folder.name}: {process_time() - start:.0f} s of processor time, with its evaluation", flush=True)


def trained_alone(config: RunConfig, folder: Path) -> None:
    """Train into a folder without what `train` measures and draws afterwards; an interrupted run goes on.

    Raises KeyboardInterrupt when it was asked to stop, rather than have half a training measured.
    """
    resume = (folder / "last.ckpt").exists()
    job = plan(str(folder) if resume else config, folder, resume, {})
    with claiming(folder, TRAINING, tell=print) as claim:
        if fitted(job, print, claim).stopped == "interrupt":
            raise KeyboardInterrupt(f"{folder} is unfinished; the same command goes on with it")


def planned(contender: Contender, folder: Path, name: str, seconds: float, more: Mapping[str, object]) -> RunConfig:
    """The run of the steps that so many processor seconds pay for, validated and saved four times."""
    steps = stored_steps(folder.parent / "steps.json", name, contender.config(**more), seconds)
    part = max(1, steps // 4)
    return contender.config(**more, **{"train.steps": steps, "train.valid_every": part, "train.save_every": part})


def stored_steps(path: Path, name: str, config: RunConfig, seconds: float) -> int:
    """What the budget pays for; measured where no run of this name has been yet."""
    stored: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    if name not in stored:
        stored[name] = max(FEWEST, round(seconds / price(config)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(stored))
    return stored[name]


def price(config: RunConfig) -> float:
    """Processor seconds of one training step."""
    work = step_of(config)
    return median([seconds_of(work) for _ in range(TIMED)][1:])


def step_of(config: RunConfig) -> Work:
    """The loss of a run with all that its objective charges, the gradient and the optimiser, on a batch of noise."""
    shape, bits = expected_shape(config)
    model, grid = build(config.model, shape, bits), 2**bits - 1
    data = Datum(torch.rand(config.train.batch, *shape).mul(grid).round() / grid)
    model.prepare(data)
    loss = LossStep(model, build_objective(config.objective.over(config.train.steps)))
    moments = optimiser(config.train, loss.parameters())

    def work() -> float:
        moments.zero_grad(set_to_none=True)
        total, _ = loss(Batch(data), config.train.steps)
        total.backward()
        moments.step()
        return total.item()

    return work


def seconds_of(work: Work) -> float:
    """Processor seconds of one call."""
    start = process_time()
    work()
    return process_time() - start


def over_seeds(values: Sequence[float], digits: int = 2) -> str:
    """Mean over seeds with Student's 95 %; of one seed the value alone.

    >>> over_seeds([1.0, 2.0, 3.0]), over_seeds([0.5], 3)
    ('2.00 ± 2.48', '0.500')
    """
    if len(values) < 2:
        return f"{fmean(values):.{digits}f}"
    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return f"{fmean(values):.{digits}f} ± {half:.{digits}f}"


def lines(heads: Sequence[str], first: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """A table of columns of one width: its heads, what all are held against, and a row for each contender."""
    for cells in (heads, first, *rows):
        yield " ".join(f"{cell:>16}" for cell in cells)


def by_contender(
    out: Path, file: str, names: Sequence[str], cells: Callable[[str, list[Path]], Iterator[str]]
) -> Iterator[list[str]]:
    """The cells of every contender that has a finished run, whose `file` is there."""
    for name in names:
        if folders := [path.parent for path in sorted(out.glob(f"{name}-*/{file}"))]:
            yield list(cells(name, folders))
