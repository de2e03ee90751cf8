"""Learned against fixed inference: ladder, Markov chain and diffusion of the 8x8 digits at equal weights and time.

    python benchmarks/encoders.py run OUT --seconds 60 --seeds 0 1 2    # finished runs are skipped
    python benchmarks/encoders.py table OUT

The ladder infers top-down beside its prior (three levels), the Markov chain bottom-up (three), the diffusion of 50
levels has a fixed q; each has about 125,000 weights.  A run gets so many seconds of processor time, in training steps
of the measured price of its own; the weights are those of its best validation (keep best).  The table has means over
seeds, with the spread (standard deviation) over them, of: -ELBO of one draw on the 180 test images, in nats and bits a
pixel; levels whose rate stays below 0.1 nats (for the diffusion: groups of its 50); Frechet and kernel distance of 180
samples to the test images by the hidden layer of a small classifier; processor seconds of these samples; steps that
were taken, and those that training refused.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import torch
from budget import price
from diffusion_sampling import judge

import hvae
from hvae import explore
from hvae.config import RunConfig, preset
from hvae.data import load
from hvae.metrics import Extractor, quality
from hvae.study.train import train

COMMON = {"train.keep": "best", "train.ema": 0.99, "evaluate.samples": 1, "evaluate.measures": "likelihood"}
MARKOV = {
    "model.family": "markov",
    "model.network": "conv",
    "model.norm": "none",
    "model.likelihood": "dmol",
    "model.mixtures": 5,
    "model.latents": "6,6,6",
    "model.widths": "32,32,32",
}
RATE_OF_NOTHING = 0.1


@dataclass(frozen=True)
class Contender:
    """A preset with the keys that make it of the common size, and the solvers that its samples come by."""

    source: str
    keys: Mapping[str, object]
    solvers: tuple[str, ...] = ("",)

    def config(self, **more: object) -> RunConfig:
        return preset(self.source, {**COMMON, **self.keys, **more})


CONTENDERS: Mapping[str, Contender] = {
    "ladder": Contender("digits", {"model.width": 24}),
    "markov": Contender("digits", MARKOV),
    "vdm": Contender("digits-vdm", {"model.widths": "16,26"}, ("ancestral:50", "second-order:10")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    runs = commands.add_parser("run")
    runs.add_argument("out", type=Path)
    runs.add_argument("--seconds", type=float, default=60.0, help="of processor time, for the steps of each run")
    runs.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    table = commands.add_parser("table")
    table.add_argument("out", type=Path)
    args = parser.parse_args()
    if args.what == "run":
        torch.set_num_threads(1)
        network = judge(load(CONTENDERS["ladder"].config().data))
        for seed in args.seeds:
            for name in CONTENDERS:
                measure(args.out, name, seed, args.seconds, network)
    print("\n".join(rows(args.out)))


def measure(out: Path, name: str, seed: int, budget: float, network: Extractor) -> None:
    """One run with what it is measured by, unless it is finished."""
    contender, folder = CONTENDERS[name], out / f"{name}-{seed}"
    if not (folder / "evaluation.json").exists():
        steps = max(50, round(budget / price(contender.config())))
        course = {"train.steps": steps, "train.valid_every": max(1, steps // 10), "train.seed": seed}
        warm_up = {"objective.warmup.length": {"z3": 0.6, "z2": 0.1}} if name != "vdm" else {}
        train(contender.config(**course, **warm_up), out=folder)
    for solver in contender.solvers:
        path = folder / f"samples-{solver.replace(':', '-')}.json"
        if not path.exists():
            path.write_text(json.dumps(sampled(folder, solver, seed, network)))


def sampled(folder: Path, solver: str, seed: int, network: Extractor) -> dict[str, float]:
    """Distances of as many samples as there are test images, and the processor seconds that these took."""
    loaded = hvae.load(folder)
    test, model = load(loaded.config.data).test, loaded.model.eval()
    n, start = len(test), time.process_time()
    pictures = explore.sample_pixels(model, n, solver=solver, seed=seed)
    seconds = time.process_time() - start
    result = quality([test.batch(range(n)).x], [pictures], network)
    return {"frechet": result.fid, "kernel": result.kid, "seconds": seconds}


def rows(out: Path) -> Iterator[str]:
    """The table, a row for each way to sample."""
    heads = ("", "-ELBO, nats", "bits/dim", "idle levels", "Frechet", "kernel", "seconds", "steps", "refused", "seeds")
    yield " ".join(f"{head:>16}" for head in heads)
    for name, contender in CONTENDERS.items():
        folders = [path.parent for path in sorted(out.glob(f"{name}-*/evaluation.json"))]
        for solver in contender.solvers if folders else ():
            yield " ".join(f"{cell:>16}" for cell in cells(folders, name, solver))


def cells(folders: list[Path], name: str, solver: str) -> Iterator[str]:
    results = [json.loads((folder / "evaluation.json").read_text()) for folder in folders]
    samples = [json.loads((folder / f"samples-{solver.replace(':', '-')}.json").read_text()) for folder in folders]
    courses = [json.loads((folder / "provenance.json").read_text())["training"] for folder in folders]
    likelihoods = [result["likelihood"] for result in results]
    yield f"{name} {solver}"
    yield spread([one["negative_elbo_nats"]["mean"] for one in likelihoods])
    yield spread([one["elbo_bits_per_dim"]["mean"] for one in likelihoods], 3)
    yield "/".join(str(idle(one["levels"])) for one in likelihoods) + f" of {len(likelihoods[0]['levels'])}"
    yield spread([one["frechet"] for one in samples])
    yield spread([one["kernel"] for one in samples], 3)
    yield spread([one["seconds"] for one in samples])
    yield f"{fmean(result['step'] for result in results):,.0f}"
    yield "/".join(str(course["skipped"] + course["dropped"]) for course in courses)
    yield str(len(folders))


def idle(levels: Mapping[str, Mapping[str, float]]) -> int:
    """Levels that say next to nothing of the data."""
    return sum(level["rate_nats"] < RATE_OF_NOTHING for level in levels.values())


def spread(values: list[float], digits: int = 2) -> str:
    """Mean and standard deviation over seeds.

    >>> spread([1.0, 2.0, 3.0])
    '2.00 ± 1.00'
    """
    deviation = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{deviation}"


if __name__ == "__main__":
    main()
