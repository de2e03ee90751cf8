"""What a model forgets of digits 0 to 4 when it learns 5 to 9, by several ways to go on.

    python benchmarks/growth.py make MNIST FOLDER                    # old.npz, new.npz, both.npz: bits, drawn once
    python benchmarks/growth.py train FOLDER [--size SIZE] [--ways NAMES] [--seed 0]    # old, the ways to go on, joint
    python benchmarks/growth.py table FOLDER [--size SIZE] [--ways NAMES] [--seed 0] [--split test]

Every number is the mean ELBO of 2,000 pictures of each half in nats, of the test set or of those held out for choices;
one thread unless OMP_NUM_THREADS says more.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import hvae
from hvae.config.data import DataConfig
from hvae.data import load
from hvae.study.forgetting import forgetting

KEYS = {
    **{"train.batch": 64, "train.lr": 1e-3, "train.valid_every": 0, "train.accelerator": "cpu"},
    **{"evaluate.measures": "activity", "evaluate.limit": 200, "model.fade": 200},
}
HALVES = {"old": range(5), "new": range(5, 10)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "train", "table"))
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--size", choices=SIZES, default="small", help="of the model, and how long it is trained")
    parser.add_argument("--ways", default="all", help="names by commas, of those of the size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", choices=("valid", "test"), default="test", help="what the table is of")
    args = parser.parse_args()
    if args.what == "make":
        make(*args.folders)
        return
    size, folder = SIZES[args.size], args.folders[0]
    ways = [*size.alone, *size.ways] if args.ways == "all" else args.ways.split(",")
    old, *runs = [folder / f"{args.size}-{name}-{args.seed}" for name in ("old", *ways)]
    if args.what == "train":
        train(folder, size, old, dict(zip(ways, runs, strict=True)), args.seed)
    else:
        table(folder, old, runs, args.split)


def make(mnist: Path, folder: Path) -> None:
    """Each pixel one draw from Bernoulli(grey), with seed 0: the same for every way."""
    data, draw = load(DataConfig(name="mnist", root=str(mnist), valid=5000)), np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for name in ("train", "valid", "test"):
        split = getattr(data, name)
        grey = np.concatenate([part.numpy() for part in split.chunks()])
        arrays[name] = (draw.integers(0, 255, grey.shape) < grey).astype(np.uint8)
        arrays[f"{name}_labels"] = split.labels.numpy()
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "both.npz", **arrays)
    for half, digits in HALVES.items():
        rows = {name: np.isin(arrays[f"{name}_labels"], list(digits)) for name in ("train", "valid", "test")}
        parts = {name: array[rows[name.removesuffix("_labels")]] for name, array in arrays.items()}
        np.savez_compressed(folder / f"{half}.npz", **parts)
        # For choices: the same, with the pictures held out for them in the place of the test set.
        choices = {**parts, "test": parts["valid"], "test_labels": parts["valid_labels"]}
        np.savez_compressed(folder / f"{half}-valid.npz", **choices)


def train(folder: Path, size: Size, old: Path, runs: dict[str, Path], seed: int) -> None:
    """What is there already stays; joint training has the steps of the old run and of what came after it."""
    keys = {**KEYS, "train.seed": seed}
    own, new = {**keys, **size.model, "data.name": "npy"}, folder / "new.npz"
    for name, out in runs.items():
        start = time.process_time()
        if out.exists():
            continue
        if name in size.alone:
            file, steps = size.alone[name]
            hvae.train(out=out, overrides={**own, "data.path": str(folder / file), "train.steps": steps})
        else:
            how, more = size.ways[name]
            hvae.grow(old, new, out, seed=seed, overrides={**keys, **more}, **how)
        print(f"{name}: {time.process_time() - start:.0f} s of the processor", flush=True)


def table(folder: Path, old: Path, runs: list[Path], split: str) -> None:
    halves = [folder / (f"{half}.npz" if split == "test" else f"{half}-valid.npz") for half in HALVES]
    for run in runs:
        print(run.name)
        print(forgetting(run, halves, before=old), flush=True)


@dataclass(frozen=True)
class Size:
    """A model and its training: the runs that start from nothing, each of data and steps, and the ways to go on, each
    of arguments of `grow` and keys of its own; all by name."""

    model: dict[str, Any]
    alone: dict[str, tuple[str, int]]
    ways: dict[str, tuple[dict[str, Any], dict[str, Any]]]


LVAE = {"model.family": "lvae", "model.norm": "none"}
# Of the preset that the first two sizes go by: the weight of every rate begins near 0 again when they go on.
AGAIN = {"objective.warmup.length": 800}
SHORT = {"train.steps": 800, **AGAIN}
LONG = {"train.steps": 4000, "model.fade": 500, **AGAIN}
LONGER = {"train.steps": 8000, "model.fade": 500, **AGAIN}
PLAIN = {"model.likelihood": "bernoulli", "objective.free_bits.nats": 0, "objective.warmup.length": 500}
FURTHER = {"train.steps": 4000, "model.fade": 500}
FURTHEST = {"train.steps": 12_000, "model.fade": 500}
SIZES = {
    "small": Size(
        {**LVAE, "model.latents": (16, 8), "model.widths": (128, 64)},
        alone={"old": ("old.npz", 2000), "joint": ("both.npz", 2800)},
        ways={
            "grown": ({}, SHORT),
            "grown-long": ({"replays": 60_000}, {"train.steps": 3000, "model.fade": 500}),
            "tuned": ({"levels": 0, "replays": 0}, SHORT),
            "replayed": ({"levels": 0}, SHORT),
            "frozen": ({"freeze": True}, SHORT),
        },
    ),
    "large": Size(
        {**LVAE, "model.latents": (32, 16), "model.widths": (512, 256)},
        alone={"old": ("old.npz", 2000), "joint": ("both.npz", 6000), "joint-long": ("both.npz", 10_000)},
        ways={
            "grown": ({"replays": 50_000}, LONG),
            "grown-long": ({"replays": 50_000}, LONGER),
            "replayed": ({"levels": 0, "replays": 50_000}, LONG),
            "tuned": ({"levels": 0, "replays": 0}, LONG),
        },
    ),
    "plain": Size(
        {**LVAE, **PLAIN, "model.latents": (32, 16), "model.widths": (512, 256)},
        alone={"old": ("old.npz", 3000), "joint": ("both.npz", 7000), "joint-long": ("both.npz", 15_000)},
        ways={
            "grown": ({"replays": 50_000}, FURTHER),
            "grown-more": ({"replays": 100_000}, FURTHER),
            "grown-long": ({"replays": 50_000}, FURTHEST),
            "grown-even": ({"replays": 25_000}, FURTHEST),
            "grown-between": ({"replays": 37_500}, FURTHEST),
            "replayed-long": ({"levels": 0, "replays": 50_000}, FURTHEST),
            "replayed-between": ({"levels": 0, "replays": 37_500}, FURTHEST),
            "tuned": ({"levels": 0, "replays": 0}, FURTHER),
        },
    ),
}


if __name__ == "__main__":
    main()
