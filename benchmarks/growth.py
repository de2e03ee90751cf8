"""What a model forgets of digits 0 to 4 when it learns 5 to 9, by four ways to go on.

    python benchmarks/growth.py make MNIST FOLDER                    # old.npz, new.npz, both.npz: bits, drawn once
    python benchmarks/growth.py train FOLDER [--seed 0]              # old, grown, frozen, fine-tuned, joint
    python benchmarks/growth.py table FOLDER [--seed 0]

Every number is the mean ELBO of 2,000 test pictures of each half in nats; one thread unless OMP_NUM_THREADS says more.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import hvae
from hvae.config.data import DataConfig
from hvae.data import load
from hvae.study.forgetting import forgetting

OLD, NEW = 2000, 800
"""Steps of the old run, and of each way to go on."""
KEYS = {
    **{"train.batch": 64, "train.lr": 1e-3, "train.valid_every": 0, "train.accelerator": "cpu"},
    **{"evaluate.measures": "activity", "evaluate.limit": 200, "model.fade": 200},
}
MODEL = {"model.family": "lvae", "model.latents": (16, 8), "model.widths": (128, 64), "model.norm": "none"}
HALVES = {"old": range(5), "new": range(5, 10)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "train", "table"))
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.what == "make":
        make(*args.folders)
    else:
        {"train": train, "table": table}[args.what](args.folders[0], args.seed)


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


def train(folder: Path, seed: int) -> None:
    """What is there already stays; joint training has the steps of the old run and of what came after it."""
    keys = {**KEYS, "train.seed": seed}
    own, old = {**keys, **MODEL, "data.name": "npy"}, folder / f"old-{seed}"
    if not old.exists():
        hvae.train(out=old, overrides={**own, "data.path": str(folder / "old.npz"), "train.steps": OLD})
    for name, (how, more) in WAYS.items():
        if not (out := folder / f"{name}-{seed}").exists():
            hvae.grow(old, folder / "new.npz", out, seed=seed, overrides={**keys, "train.steps": NEW, **more}, **how)
    if not (out := folder / f"joint-{seed}").exists():
        hvae.train(out=out, overrides={**own, "data.path": str(folder / "both.npz"), "train.steps": OLD + NEW})


WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "grown": ({}, {}),
    "grown-long": ({"replays": 60_000}, {"train.steps": 3000, "model.fade": 500}),
    "tuned": ({"levels": 0, "replays": 0}, {}),
    "replayed": ({"levels": 0}, {}),
    "frozen": ({"freeze": True}, {}),
}
"""By name: how a run goes on, and keys of its own."""


def table(folder: Path, seed: int) -> None:
    before = folder / f"old-{seed}"
    for name in ("old", *WAYS, "joint"):
        print(name)
        print(forgetting(folder / f"{name}-{seed}", [folder / "old.npz", folder / "new.npz"], before=before))


if __name__ == "__main__":
    main()
