"""What each key of a family is worth alone: -ELBO on validation data, against the plain model of that family.

    python benchmarks/ablation.py run OUT --steps 1800 --seeds 0 --root DATA    # all keys; finished runs are skipped
    python benchmarks/ablation.py run OUT --steps 1800 --seeds 0 --keys plain attention
    python benchmarks/ablation.py table OUT
    python benchmarks/ablation.py run OUT --of vdvae --steps 300                # a small VDVAE of the 8x8 digits
    python benchmarks/ablation.py table OUT --of vdvae

The plain ladder is the preset mnist-static-ladder with so many steps (6,000 are ten minutes of an idle core), the
others are small models of the digits (`ablation_plans.py`); a key that costs time has fewer steps, by the processor
time of its step, measured beside that of the plain one just before: all runs cost the same, whatever else the machine
does.  The warm-up takes a fifth of the steps.  A difference is that of two runs of one seed; its interval, 95 % by
Student's t, is over seeds, and of a single seed there is none: it says what happened once, and below half a nat it is
noise.  Beside it stand the nats of all latents and of each, the top first, with the dimensions that spend more than
0.01, and how steady training is: the 90 % quantile of the gradient's length by its median, over the second half of the
steps.
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
from ablation_plans import PLANS, Plan
from budget import seconds_of, step_of
from scipy.stats import t

from hvae.study.train import train

ROUNDS = 15
"""Steps of each model that are timed."""
RECORD = "evaluation.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    runs, table = commands.add_parser("run"), commands.add_parser("table")
    for command in (runs, table):
        command.add_argument("out", type=Path)
        command.add_argument("--of", choices=PLANS, default="ladder", help="the plain model and its keys")
    runs.add_argument("--steps", type=int, default=6000, help="of the plain model")
    runs.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    runs.add_argument("--keys", nargs="+", help="of all keys of the plan")
    runs.add_argument("--root", default="", help="where the data sets lie")
    args = parser.parse_args()
    plan = PLANS[args.of]
    if args.what == "run":
        torch.set_num_threads(1)
        for seed in args.seeds:
            for key in args.keys or plan.rows:
                measure(args.out, plan, key, args.steps, seeded(seed, args.root))
                print("\n".join(rows(args.out, plan)), flush=True)
    else:
        print("\n".join(rows(args.out, plan)))


def measure(out: Path, plan: Plan, key: str, steps: int, seed: Mapping[str, object]) -> None:
    """One run, unless it is finished; one that was interrupted goes on."""
    folder = out / f"{key}-{seed['train.seed']}"
    if (folder / RECORD).exists():
        return
    if (folder / "last.ckpt").exists():
        train(str(folder), out=folder, resume=True)
    else:
        train(plan.config(key, **course(plan, key, steps), **seed), out=folder)


def course(plan: Plan, key: str, steps: int) -> dict[str, object]:
    """The steps that cost as much as so many of the plain model, their warm-up, and what is measured at the end."""
    own = max(20, round(steps / cost(plan, key)))
    times = {"train.steps": own, "train.valid_every": own, "objective.warmup.length": 0.2}
    return {**times, "evaluate.split": "valid", "evaluate.limit": 2000, "evaluate.measures": "likelihood,activity"}


def seeded(seed: int, root: str) -> dict[str, object]:
    return {"train.seed": seed, "evaluate.samples": 1, **({"data.root": root} if root else {})}


@cache
def cost(plan: Plan, key: str) -> float:
    """The processor time of a training step by that of the plain model: median of ratios, one after the other."""
    if plan.is_as_dear(key):
        return 1.0
    works = [step_of(plan.config(name)) for name in (key, "plain")]
    return median(seconds_of(works[0]) / seconds_of(works[1]) for _ in range(ROUNDS))


@dataclass(frozen=True)
class Finished:
    """What the table has of one run."""

    bound: float
    nats: float
    swing: float
    steps: int
    levels: Mapping[str, float]
    used: Mapping[str, float]
    """Nats and used dimensions of each level, top first."""


def rows(out: Path, plan: Plan) -> Iterator[str]:
    """The table: -ELBO of one draw, nats a datum, mean over seeds; the difference to plain; steps of the first run."""
    heads = f"{'':18} {'-ELBO':>8} {'less plain':>11} {'95 % over seeds':>18} {'seeds':>6} {'steps':>7}"
    yield f"{heads} {'nats':>6} {'swing':>6}  nats (used) of each level, top first"
    records = {key: read(out, key) for key in plan.rows}
    for key, runs in records.items():
        plain = records["plain"] if key != "plain" else {}
        pairs = [run.bound - plain[seed].bound for seed, run in runs.items() if seed in plain]
        if runs:
            bound, nats, swing = (fmean(getattr(run, name) for run in runs.values()) for name in MEANS)
            difference = f"{fmean(pairs):+11.2f} {interval(pairs):>18}" if pairs else f"{'':30}"
            steps, levels = next(iter(runs.values())).steps, ", ".join(by_level(list(runs.values())))
            yield f"{key:18} {bound:8.2f} {difference} {len(runs):6} {steps:7,} {nats:6.1f} {swing:6.2f}  {levels}"


MEANS = ("bound", "nats", "swing")


def by_level(runs: Sequence[Finished]) -> Iterator[str]:
    """Means over seeds of what each level spends, and of how many of its dimensions are used."""
    for name in runs[0].levels:
        yield f"{fmean(run.levels[name] for run in runs):.1f} ({fmean(run.used[name] for run in runs):.0f})"


def read(out: Path, key: str) -> dict[int, Finished]:
    """The finished runs of a key, by seed."""
    folders = {int(path.parent.name.rpartition("-")[2]): path.parent for path in out.glob(f"{key}-[0-9]*/{RECORD}")}
    return {seed: finished(folder) for seed, folder in sorted(folders.items())}


def finished(folder: Path) -> Finished:
    result = json.loads((folder / RECORD).read_text())
    likelihood, steps = result["likelihood"], result["step"]
    levels = {name: level["rate_nats"] for name, level in likelihood["levels"].items()}
    used = {name: level["used_dims"] for name, level in result["activity"]["levels"].items()}
    bound = likelihood["negative_elbo_nats"]["mean"]
    return Finished(bound, sum(levels.values()), swing(folder / "metrics.csv", steps), steps, levels, used)


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
