"""Test error on MNIST with 100 labels: M1+M2 on the latents of a flat VAE, M2 on pixels, and what labels alone give.

    python benchmarks/few_labels.py choose FOLDER [--root MNIST] [--of pixels]  # settings, on validation data
    python benchmarks/few_labels.py table FOLDER [--root MNIST] [--of pixels]   # five draws of labels, on test data
    python benchmarks/few_labels.py without FOLDER [--root MNIST]               # M1+M2 without one of its parts each

M1 (Kingma et al. 2014, arXiv 1406.5298): a VAE of all training pictures.  M2 learns from draws of its posterior, each
time another one as there: ROUNDS of every picture, of the labelled ones as many as make them the share SHARE.
Dimensions that M1 does not use are left out (Burda et al. 2015, arXiv 1509.00519, sec. 5.2: means whose variance is
below 0.01); values are cut to [-3, 3] and stored with 8 bits.  Validation, test and controls read the means.  What is
there already stays, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hvae
from hvae.config.data import DataConfig
from hvae.data import Split, load
from hvae.errors import HvaeError
from hvae.metrics import train_classifier
from hvae.metrics.classify import Kind
from hvae.metrics.guess import guesses

LABELS, DRAWS, CHOICE = 100, 5, 100
"""Labels in all, draws of them for the table, and the seed of the draw that settings are chosen on."""
CONTROLS: tuple[Kind, ...] = ("logistic", "knn")
CLIP, USED, ROUNDS, SHARE = 3.0, 0.01, 2, 0.15
Keys = dict[str, Any]
KEYS: Keys = {
    **{"train.valid_every": 0, "train.accelerator": "cpu", "data.valid": 5000},
    **{"evaluate.measures": "activity", "evaluate.limit": 200, "objective.free_bits.nats": 0},
    "objective.warmup.length": 0,
}
M1: Keys = {
    **{"model.family": "vae", "model.latent": 50, "model.widths": (500, 500)},
    **{"model.likelihood": "dmol", "model.mixtures": 5},  # of two levels
    **{"train.steps": 10_000, "train.batch": 200, "train.lr": 1e-3, "train.valid_every": 2500},
}
M2: Keys = {"model.family": "vae", "model.condition.kind": "class", "objective.kind": "m2"}
LATENTS: Keys = {
    **{"model.likelihood": "gaussian-full", "model.condition.levels": ("z1", "x"), "model.widths": (64,)},
    **{"model.network": "mlp-tanh"},  # starts from the covariance of the data
    **{"model.condition.classifier": (200, 200), "train.steps": 500, "train.batch": 200, "train.lr": 5e-3},
}
"""A kind of digits is an ellipse among the latents: M2 says its axes by the class, and enters the last hidden layer."""
PIXELS: Keys = {
    **{"model.latent": 20, "model.widths": (200,), "model.condition.classifier": (200, 200)},
    **{"train.steps": 500, "train.batch": 100, "train.lr": 1e-3, "data.labels": LABELS},
}
SETTINGS: dict[str, list[Keys]] = {
    "latents": [{"objective.alpha": alpha, "model.latent": 5} for alpha in (0.1, 0.3)],
    "pixels": [{"objective.alpha": alpha, "data.labelled": share} for alpha in (0.3, 3.0) for share in (0.2, 0.5)],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("choose", "table", "without"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--root", default="")
    parser.add_argument("--of", choices=("latents", "pixels"), default="latents", help="M1+M2, or M2 alone")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    pixels = {"data.name": "mnist-dynamic", "data.root": args.root}
    {"choose": choose, "table": table, "without": without}[args.what](args.folder, args.of, pixels)


def latent_data(folder: Path, pixels: Keys) -> Path:
    """The posterior of M1, used dimensions alone: means as 8-bit vectors with their labels, and deviations of train."""
    path, out = folder / "latents.npz", folder / "m1"
    if path.exists():
        return path
    if not out.exists():
        hvae.train(out=out, overrides={**KEYS, **pixels, **M1})
    run = hvae.load(out)
    data, arrays, used = load(run.config.data), dict[str, np.ndarray](), slice(None)
    for name in ("train", "valid", "test"):
        split = getattr(data, name).fixed(0)
        laws = [hvae.run(run.model, hvae.mode, run.model.evidence(datum))["z1"].q for datum in split.batches(1000)]
        means, scales = (torch.cat([getattr(law, one).detach() for law in laws]).numpy() for one in ("loc", "scale"))
        if name == "train":
            used = means.var(0) > USED
            arrays["deviations"] = scales[:, used]
        arrays[name], arrays[f"{name}_labels"] = levels(means[:, used]), split.labels.numpy()
    np.savez_compressed(path, **arrays)
    return path


def levels(z: np.ndarray) -> np.ndarray:
    """Latents as 8-bit numbers."""
    return ((z.clip(-CLIP, CLIP) / CLIP + 1) / 2 * 255).round().astype(np.uint8)


def drawn_data(path: Path, seed: int) -> Path:
    """Draws from the posteriors of M1, the labels that the seed leaves, and the means of valid and test."""
    out = path.with_name(f"draws-{seed}.npz")
    if out.exists():
        return out
    arrays, labels = dict(np.load(path)), few(str(path), seed).labels.numpy()
    places, n = np.flatnonzero(labels >= 0), len(labels)
    times = round(SHARE / (1 - SHARE) * ROUNDS * n / len(places))
    rows = np.concatenate([np.tile(np.arange(n), ROUNDS), np.repeat(places, times)])
    noise = np.random.default_rng(seed).standard_normal((len(rows), arrays["train"].shape[1]), np.float32)
    means = (arrays["train"].astype(np.float32) / 255 * 2 - 1) * CLIP
    arrays["train"] = levels(means[rows] + arrays.pop("deviations")[rows] * noise)
    arrays["train_labels"] = np.concatenate([np.full(ROUNDS * n, -1), np.repeat(labels[places], times)])
    np.savez_compressed(out, **arrays)
    return out


def few(path: str, seed: int) -> Split:
    """Training data of which the seed leaves a few labels."""
    return load(DataConfig(name="npy", path=path, labels=LABELS, labels_seed=seed)).train


def latent_keys(folder: Path, pixels: Keys) -> Callable[[int], Keys]:
    """M1+M2, by the seed of the labels."""
    path = latent_data(folder, pixels)
    return lambda seed: {**LATENTS, "data.name": "npy", "data.path": str(drawn_data(path, seed))}


def pixel_keys(folder: Path, pixels: Keys) -> Callable[[int], Keys]:
    """M2 alone, whose step costs ten times as much."""
    return lambda seed: {**PIXELS, **pixels, "data.labels_seed": seed}


MAKERS = {"latents": latent_keys, "pixels": pixel_keys}


def plain(folder: Path, name: str, pixels: Keys) -> DataConfig:
    """The data of the controls, with all labels."""
    if name == "latents":
        return DataConfig(name="npy", path=str(latent_data(folder, pixels)))
    return DataConfig(name=pixels["data.name"], root=pixels["data.root"], valid=KEYS["data.valid"])


def error(folder: Path, name: str, data: Callable[[int], Keys], settings: Keys, seed: int, part: str) -> float:
    """Percent of the images of a part whose class is guessed wrongly, by a training with this draw of labels."""
    out = folder / f"{name}-{'-'.join(map(str, settings.values()))}-{seed}"
    if not out.exists():
        hvae.train(out=out, overrides={**KEYS, **M2, **data(seed), **settings, "train.seed": seed})
    run = hvae.load(out)
    batches = list(getattr(load(run.config.data), part).fixed(0).batches(1000))
    return 100 * guesses(run.model, batches).error.mean


def supervised(config: DataConfig, kind: Kind, seed: int) -> float:
    """Percent wrong on test data by a classifier of the labelled images alone."""
    whole = load(replace(config, labels=LABELS, labels_seed=seed))
    labelled = (whole.train.labels >= 0).nonzero()[:, 0]
    train, test = whole.train.some(labelled).fixed(0), whole.test.fixed(0)
    x, others = train.pictures(range(len(train))), test.pictures(range(len(test)))
    return 100 * (1 - train_classifier(x, train.labels, others, test.labels, kind=kind, seed=seed).test_accuracy)


def choose(folder: Path, name: str, pixels: Keys) -> None:
    """The setting with the least error on validation data."""
    data = MAKERS[name](folder, pixels)
    errors = [error(folder, name, data, settings, CHOICE, "valid") for settings in SETTINGS[name]]
    for settings, wrong in zip(SETTINGS[name], errors, strict=True):
        print(f"{name} {settings}: {wrong:.2f} % of validation data", flush=True)
    (folder / f"{name}.json").write_text(json.dumps(SETTINGS[name][int(np.argmin(errors))]))


def table(folder: Path, name: str, pixels: Keys) -> None:
    """Mean and standard deviation over five draws of labels."""
    settings, data = json.loads((folder / f"{name}.json").read_text()), MAKERS[name](folder, pixels)
    show(f"m2 of {name}", [error(folder, name, data, settings, seed, "test") for seed in range(DRAWS)])
    for kind in CONTROLS:
        errors = [supervised(plain(folder, name, pixels), kind, seed) for seed in range(DRAWS)]
        show(f"labels alone, {kind} of {name}", errors)


def without(folder: Path, name: str, pixels: Keys) -> None:
    """The error on validation data without each of the parts of M1+M2, by the draw that settings are chosen on."""
    if name != "latents":
        raise HvaeError(f"expected parts of M1+M2 to leave out, got --of {name}; leave --of out")
    settings, data = json.loads((folder / "latents.json").read_text()), latent_keys(folder, pixels)
    means = {"data.path": str(latent_data(folder, pixels)), "data.labels": LABELS, "data.labels_seed": CHOICE}
    parts: dict[str, Keys] = {
        "a covariance, gaussian-pixel in its place": {"model.likelihood": "gaussian-pixel"},
        "draws, means in their place": {**means, "data.labelled": SHARE},
        "the class in the last layer": {"model.condition.levels": ("z1",)},
    }
    for number, (part, keys) in enumerate(parts.items()):
        lesser = {seed: {**data(seed), **keys} for seed in (CHOICE,)}
        wrong = error(folder, f"without-{number}", lesser.__getitem__, settings, CHOICE, "valid")
        print(f"without {part}: {wrong:.2f} % of validation data", flush=True)


def show(name: str, errors: list[float]) -> None:
    each, deviation = ", ".join(f"{one:.1f}" for one in errors), np.std(errors, ddof=1)
    print(f"{name}: {np.mean(errors):.2f} % wrong, deviation over draws {deviation:.2f} ({each})", flush=True)


if __name__ == "__main__":
    main()
