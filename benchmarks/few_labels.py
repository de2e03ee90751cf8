"""Test error on MNIST with 100 labels: M1+M2 on the latents of a flat VAE, M2 on pixels, and what labels alone give.

    python benchmarks/few_labels.py choose FOLDER [--root MNIST] [--of pixels]  # settings, on validation data
    python benchmarks/few_labels.py table FOLDER [--root MNIST] [--of pixels]   # five draws of labels, on test data

M1 (Kingma et al. 2014, arXiv 1406.5298): a VAE of all training pictures; its posterior means, cut to [-4, 4] and stored
with 8 bits, are the data of M2.  What is there already stays, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hvae
from hvae.config.data import DataConfig
from hvae.data import load
from hvae.metrics import train_classifier
from hvae.metrics.classify import Kind
from hvae.metrics.guess import guesses

LABELS, DRAWS, CHOICE = 100, 5, 100
"""Labels in all, draws of them for the table, and the seed of the draw that settings are chosen on."""
CONTROLS: tuple[Kind, ...] = ("logistic", "knn")
CLIP = 4.0
KEYS: dict[str, Any] = {
    **{"train.batch": 100, "train.lr": 1e-3, "train.valid_every": 0, "train.accelerator": "cpu", "data.valid": 5000},
    **{"evaluate.measures": "activity", "evaluate.limit": 200, "objective.free_bits.nats": 0},
    "objective.warmup.length": 0,
}
M1: dict[str, Any] = {"model.family": "vae", "model.latent": 50, "model.widths": (400, 400), "train.steps": 4000}
M2: dict[str, Any] = {
    **{"model.family": "vae", "model.latent": 20, "model.widths": (200,), "model.condition.kind": "class"},
    **{"model.condition.classifier": (200, 200), "objective.kind": "m2", "data.labels": LABELS},
}
SETTINGS: list[dict[str, Any]] = [
    *({"objective.alpha": alpha, "data.labelled": share} for alpha in (0.3, 3.0) for share in (0.2, 0.5)),
    *({"objective.alpha": 3.0, "data.labelled": 0.2, "model.latent": latent} for latent in (2, 5)),
]
"""With few latents of its own M2 has to say the rest by the class."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("choose", "table"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--root", default="")
    parser.add_argument("--of", choices=("latents", "pixels"), default="latents", help="M1+M2, or M2 alone")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    pixels = {"data.name": "mnist-dynamic", "data.root": args.root}
    {"choose": choose, "table": table}[args.what](args.folder, args.of, MAKERS[args.of](args.folder, pixels))


def latent_data(folder: Path, pixels: dict[str, Any]) -> Path:
    """The posterior means of M1 as 8-bit vectors: train, valid and test with their labels."""
    path, out = folder / "latents.npz", folder / "m1"
    if path.exists():
        return path
    if not out.exists():
        hvae.train(out=out, overrides={**KEYS, **pixels, **M1})
    run = hvae.load(out)
    data, arrays = load(run.config.data), dict[str, np.ndarray]()
    for name in ("train", "valid", "test"):
        split = getattr(data, name).fixed(0)
        traces = [hvae.run(run.model, hvae.mode, run.model.evidence(datum)) for datum in split.batches(1000)]
        means = torch.cat([trace["z1"].value.detach() for trace in traces])
        arrays[name] = ((means.clamp(-CLIP, CLIP) / CLIP + 1) / 2 * 255).round().byte().numpy()
        arrays[f"{name}_labels"] = split.labels.numpy()
    np.savez_compressed(path, **arrays)
    return path


def latent_keys(folder: Path, pixels: dict[str, Any]) -> dict[str, Any]:
    """M1+M2."""
    path = str(latent_data(folder, pixels))
    return {"data.name": "npy", "data.path": path, "model.likelihood": "logistic", "train.steps": 1500}


def pixel_keys(folder: Path, pixels: dict[str, Any]) -> dict[str, Any]:
    """M2 alone, whose step costs ten times as much."""
    return {**pixels, "train.steps": 500}


MAKERS = {"latents": latent_keys, "pixels": pixel_keys}


def error(folder: Path, name: str, data: dict[str, Any], settings: dict[str, Any], seed: int, part: str) -> float:
    """Percent of the images of a part whose class is guessed wrongly, by a training with this draw of labels."""
    out = folder / f"{name}-{'-'.join(map(str, settings.values()))}-{seed}"
    if not out.exists():
        hvae.train(out=out, overrides={**KEYS, **M2, **data, **settings, "data.labels_seed": seed, "train.seed": seed})
    run = hvae.load(out)
    batches = list(getattr(load(run.config.data), part).fixed(0).batches(1000))
    return 100 * guesses(run.model, batches).error.mean


def supervised(data: dict[str, Any], kind: Kind, seed: int) -> float:
    """Percent wrong on test data by a classifier of the labelled images alone."""
    keys = {key.removeprefix("data."): value for key, value in data.items() if key.startswith("data.")}
    whole = load(DataConfig(**keys, valid=5000, labels=LABELS, labels_seed=seed))
    labelled = (whole.train.labels >= 0).nonzero()[:, 0]
    train, test = whole.train.some(labelled).fixed(0), whole.test.fixed(0)
    x, others = train.pictures(range(len(train))), test.pictures(range(len(test)))
    return 100 * (1 - train_classifier(x, train.labels, others, test.labels, kind=kind, seed=seed).test_accuracy)


def choose(folder: Path, name: str, data: dict[str, Any]) -> None:
    """The setting with the least error on validation data."""
    errors = [error(folder, name, data, settings, CHOICE, "valid") for settings in SETTINGS]
    for settings, wrong in zip(SETTINGS, errors, strict=True):
        print(f"{name} {settings}: {wrong:.2f} % of validation data", flush=True)
    (folder / f"{name}.json").write_text(json.dumps(SETTINGS[int(np.argmin(errors))]))


def table(folder: Path, name: str, data: dict[str, Any]) -> None:
    """Mean and standard deviation over five draws of labels."""
    record = json.loads((folder / f"{name}.json").read_text())
    show(f"m2 of {name}", [error(folder, name, data, record, seed, "test") for seed in range(DRAWS)])
    for kind in CONTROLS:
        show(f"labels alone, {kind} of {name}", [supervised(data, kind, seed) for seed in range(DRAWS)])


def show(name: str, errors: list[float]) -> None:
    each, deviation = ", ".join(f"{one:.1f}" for one in errors), np.std(errors, ddof=1)
    print(f"{name}: {np.mean(errors):.2f} % wrong, deviation over draws {deviation:.2f} ({each})", flush=True)


if __name__ == "__main__":
    main()
