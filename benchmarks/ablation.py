"""What each key of the convolutional ladder is worth alone: -ELBO on validation data, against the plain ladder.

    python benchmarks/ablation.py run OUT --steps 1800 --seeds 0 --root DATA    # all keys; finished runs are skipped
    python benchmarks/ablation.py run OUT --steps 1800 --seeds 0 --keys plain attention
    python benchmarks/ablation.py table OUT

The plain ladder is the preset mnist-static-ladder with so many steps (6,000 are ten minutes of an idle core); a key
that costs time has fewer, by the processor time of its step, measured beside that of the plain one just before: all
runs cost the same, whatever else the machine does.  The warm-up takes a fifth of the steps.  A difference is that of
two runs of one seed; its interval, 95 % by Student's t, is over seeds, and of a single seed there is none: it says what
happened once, and below half a nat it is noise.  Beside it stand the nats of all latents, and how steady training is:
the 90 % quantile of the gradient's length by its median, over the second half of the steps.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean, median, stdev

import torch
from budget import seconds_of, step_of
from scipy.stats import t

from hvae.config import preset
from hvae.study.train import train

KEYS: Mapping[str, Mapping[str, str]] = {
    "plain": {},
    "norm": {"model.norm": "group"},
    "scale-softplus": {"model.variance": "softplus"},
    "scale-clamp-sigma": {"model.variance": "clamp-sigma"},
    "attention": {"model.attention": "0,0,4"},
    "narrow-fine": {"model.widths": "8,32,32"},
    "orthogonal": {"objective.regulariser.orthogonal": "0.001"},
    "spectral": {"objective.regulariser.spectral": "0.01"},
    "share-levels": {"model.share": "levels"},
    "share-ways": {"model.share": "ways"},
    "context": {"model.context.size": "4"},
    "context-coarse": {"model.context.size": "3", "model.context.bits": "2"},
    "aggregate": {"model.aggregate": "true"},
    "context-aggregate": {"model.context.size": "3", "model.context.bits": "2", "model.aggregate": "true"},
    "up-transposed": {"model.up": "transposed"},
    "skip-concat": {"model.skip": "concat"},
    "skip-gated": {"model.skip": "gated"},
    "latents": {"model.latents": "8,4,16"},
}
"""By name: what a run has beside the preset."""
ROUNDS = 15
"""Steps of each ladder that are timed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    runs = commands.add_parser("run")
    runs.add_argument("out", type=Path)
    runs.add_argument("--steps", type=int, default=6000, help="of the plain ladder")
    runs.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    runs.add_argument("--keys", nargs="+", choices=KEYS, default=list(KEYS))
    runs.add_argument("--root", default="", help="where the data sets lie")
    table = commands.add_parser("table")
    table.add_argument("out", type=Path)
    args = parser.parse_args()
    if args.what == "table":
        print("\n".join(rows(args.out)))
        return
    torch.set_num_threads(1)
    for seed in args.seeds:
        for key in args.keys:
            measure(args.out, key, seed, args.steps, args.root)


def measure(out: Path, key: str, seed: int, steps: int, root: str) -> None:
    """One run, unless it is finished; one that was interrupted goes on."""
    folder = out / f"{key}-{seed}"
    if (folder / "evaluation.json").exists():
        return
    if (folder / "last.ckpt").exists():
        train(str(folder), out=folder, resume=True)
    else:
        train("mnist-static-ladder", out=folder, overrides={**KEYS[key], **course(steps, key), **seeded(seed, root)})
    print("\n".join(rows(out)), flush=True)


def course(steps: int, key: str) -> dict[str, object]:
    """The steps that cost as much as so many of the plain ladder, their warm-up, and what is measured at the end."""
    own = max(20, round(steps / cost(key)))
    times = {"train.steps": own, "train.valid_every": own, "objective.warmup.length": 0.2}
    return {**times, "evaluate.split": "valid", "evaluate.limit": 2000, "evaluate.measures": "likelihood"}


def seeded(seed: int, root: str) -> dict[str, object]:
    return {"train.seed": seed, "evaluate.samples": 1, **({"data.root": root} if root else {})}


@cache
def cost(key: str) -> float:
    """The processor time of a training step by that of the plain ladder: median of ratios, one after the other."""
    if key == "plain":
        return 1.0
    works = [step_of(preset("mnist-static-ladder", dict(KEYS[name]))) for name in (key, "plain")]
    return median(seconds_of(works[0]) / seconds_of(works[1]) for _ in range(ROUNDS))


@dataclass(frozen=True)
class Finished:
    """What the table has of one run."""

    bound: float
    nats: float
    swing: float
    steps: int


def rows(out: Path) -> Iterator[str]:
    """The table: -ELBO of one draw, nats a datum, mean over seeds; the difference to plain; steps of the first run."""
    heads = f"{'':18} {'-ELBO':>8} {'less plain':>11} {'95 % over seeds':>18} {'seeds':>6} {'steps':>7}"
    yield f"{heads} {'nats':>6} {'swing':>6}"
    records = {key: read(out, key) for key in KEYS}
    for key, runs in records.items():
        plain = records["plain"] if key != "plain" else {}
        pairs = [run.bound - plain[seed].bound for seed, run in runs.items() if seed in plain]
        if runs:
            bound, nats, swing = (fmean(getattr(run, name) for run in runs.values()) for name in MEANS)
            difference = f"{fmean(pairs):+11.2f} {interval(pairs):>18}" if pairs else f"{'':30}"
            steps = next(iter(runs.values())).steps
            yield f"{key:18} {bound:8.2f} {difference} {len(runs):6} {steps:7,} {nats:6.1f} {swing:6.2f}"


MEANS = ("bound", "nats", "swing")


def read(out: Path, key: str) -> dict[int, Finished]:
    """The finished runs of a key, by seed."""
    folders = [path.parent for path in sorted(out.glob(f"{key}-*/evaluation.json"))]
    seeds = {int(folder.name.rpartition("-")[2]): folder for folder in folders}
    return {seed: finished(folder) for seed, folder in seeds.items() if folder.name == f"{key}-{seed}"}


def finished(folder: Path) -> Finished:
    result = json.loads((folder / "evaluation.json").read_text())
    likelihood, steps = result["likelihood"], result["step"]
    nats = sum(level["rate_nats"] for level in likelihood["levels"].values())
    return Finished(likelihood["negative_elbo_nats"]["mean"], nats, swing(folder / "metrics.csv", steps), steps)


def swing(path: Path, steps: int) -> float:
    """The 90 % quantile of the gradient's length by its median, over the second half of the rows."""
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if int(row["step"]) > steps / 2 and row["grad_norm"]]
    lengths = sorted(float(row["grad_norm"]) for row in rows)
    return lengths[int(0.9 * (len(lengths) - 1))] / median(lengths)


def interval(pairs: Sequence[float]) -> str:
    """95 % of a mean of differences, each of one seed.

    >>> interval([1.0, 2.0, 3.0]), interval([1.0])
    ('[-0.48, +4.48]', 'one seed')
    """
    if len(pairs) < 2:
        return "one seed"
    half = float(t.ppf(0.975, len(pairs) - 1)) * stdev(pairs) / len(pairs) ** 0.5
    return f"[{fmean(pairs) - half:+.2f}, {fmean(pairs) + half:+.2f}]"


if __name__ == "__main__":
    main()
