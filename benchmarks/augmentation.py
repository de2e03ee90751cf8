"""Do samples of a rare class help a classifier, and does a second level of latents help more than one?

    python benchmarks/augmentation.py train pneumonia FOLDER --data NPZ    # five seeds of both models
    python benchmarks/augmentation.py table pneumonia FOLDER --data NPZ    # their pictures, the classifiers, the table
    python benchmarks/augmentation.py train fundus FOLDER                  # the set is drawn from its seed

Both models are ladders of the same width that are told the class: one level at the lowest resolution, or a second one
at twice that.  `hvae augment --per-class balance` draws what the rare class lacks.  The same classifier, for the same
steps, learns from the training data alone, with the rare class repeated as often, with the pictures of each model and,
where the generator can draw them, with as many true ones; it is tested on the test data.  Seed s is that of the model,
of its pictures and of the classifier.  What is there already stays, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t
from torch import Tensor

import hvae
from hvae.config.data import DataConfig
from hvae.data import load
from hvae.data.fundus import fundus
from hvae.metrics.convnet import LOOKS, ConvNet

SEEDS = 5
Labelled = tuple[Tensor, Tensor]
"""Pictures (N, C, H, W) in [0, 1] with labels (N,)."""
KEYS: dict[str, Any] = {
    **{"model.family": "ladder", "model.width": 16, "model.latent": 4, "model.likelihood": "dmol", "model.mixtures": 3},
    **{"model.condition.kind": "class", "train.batch": 32, "train.lr": 2e-3, "train.ema": 0.99, "train.clip": 200.0},
    **{"train.valid_every": 0, "train.accelerator": "cpu", "objective.warmup.length": 0.2},
    **{"objective.free_bits.nats": 0},
    **{"evaluate.measures": "activity", "evaluate.limit": 100},
}
LEVELS = {"flat": 1, "two levels": 2}


@dataclass(frozen=True)
class Study:
    """A set, its rare class, what time allows (steps of a model and of a classifier), what the classifier looks at."""

    data: str
    rare: int
    scales: int
    steps: int
    judge_steps: int
    look: str


STUDIES = {
    "pneumonia": Study("npy", rare=0, scales=3, steps=400, judge_steps=300, look="places"),
    "fundus": Study("fundus", rare=1, scales=4, steps=200, judge_steps=600, look="anywhere"),
}


@dataclass(frozen=True)
class Bench:
    """One study, where its runs lie, and its pictures."""

    study: Study
    folder: Path
    path: str
    seeds: int = SEEDS

    def run(self, name: str, seed: int) -> Path:
        return self.folder / f"{name.replace(' ', '-')}-{seed}"

    def split(self, name: str) -> Labelled:
        split = getattr(load(DataConfig(name=self.study.data, path=self.path)), name)
        return torch.cat(list(split.chunks())).float() / 255, split.labels

    def missing(self, labels: Tensor) -> int:
        """Pictures that the rare class lacks."""
        return int((labels != self.study.rare).sum() - (labels == self.study.rare).sum())


Draw = Callable[[Bench, int, Labelled], Labelled]
"""The pictures that a classifier gets beside its own, by a seed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "table"))
    parser.add_argument("name", choices=tuple(STUDIES))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", default="", help="pneumoniamnist.npz")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    {"train": train, "table": table}[args.what](Bench(STUDIES[args.name], args.folder, args.data, args.seeds))


def train(bench: Bench) -> None:
    """Both models of every seed."""
    data = {"data.name": bench.study.data, **({"data.path": bench.path} if bench.path else {})}
    for seed in range(bench.seeds):
        for name, levels in LEVELS.items():
            if (out := bench.run(name, seed)).exists():
                continue
            groups = (*[0] * (bench.study.scales - levels), *[1] * levels)
            own = {"model.groups": groups, "train.steps": bench.study.steps, "train.seed": seed}
            start = time.process_time()
            hvae.train(out=out, overrides={**KEYS, **data, **own})
            print(f"{out.name}: {time.process_time() - start:.0f} s of processor time", flush=True)


def table(bench: Bench) -> None:
    """Balanced accuracy, recall of the rare class and the difference to the first row, with intervals over seeds."""
    own, test = bench.split("train"), bench.split("test")
    rows = {name: draw for name, draw in ROWS.items() if name != TRUE or bench.study.data == "fundus"}
    recalls = {name: np.zeros((bench.seeds, 2)) for name in rows}
    for seed in range(bench.seeds):
        for name, draw in rows.items():
            recalls[name][seed] = recall(bench, name, seed, draw, own, test)
    first = recalls["none"].mean(1)
    for name, both in recalls.items():
        balanced = both.mean(1)  # (S,)
        rare = both[:, bench.study.rare]
        print(f"| {name} | {interval(balanced)} | {interval(rare)} | {interval(balanced - first)} |")


def recall(bench: Bench, name: str, seed: int, draw: Draw, own: Labelled, test: Labelled) -> list[float]:
    """The share of each class that is judged right, measured once and stored."""
    path = bench.run(name, seed).with_suffix(".json")
    if not path.exists():
        more, start = draw(bench, seed, own), time.process_time()
        x, y = (torch.cat(pair) for pair in zip(own, more, strict=True))
        judge = ConvNet(seed, tuple(x.shape[1:]), bench.study.judge_steps, LOOKS[bench.study.look])
        judge.fit(x.flatten(1).numpy(), y.numpy())
        right = torch.as_tensor(judge.predict(test[0].flatten(1).numpy())) == test[1]
        path.write_text(json.dumps([float(right[test[1] == k].float().mean()) for k in range(2)]))
        print(f"{path.stem}: {path.read_text()}, {time.process_time() - start:.0f} s of processor time", flush=True)
    values: list[float] = json.loads(path.read_text())
    return values


def nothing(bench: Bench, seed: int, own: Labelled) -> Labelled:
    return own[0][:0], own[1][:0]


def repeated(bench: Bench, seed: int, own: Labelled) -> Labelled:
    """Pictures of the rare class again, with replacement."""
    rare = (own[1] == bench.study.rare).nonzero().flatten()
    rows = rare[torch.randint(len(rare), (bench.missing(own[1]),), generator=torch.Generator().manual_seed(seed))]
    return own[0][rows], own[1][rows]


def sampled(name: str) -> Draw:
    """What `hvae augment` gives of a model."""

    def draw(bench: Bench, seed: int, own: Labelled) -> Labelled:
        out = bench.folder / "pictures" / bench.run(name, seed).name
        out.parent.mkdir(exist_ok=True)
        shutil.rmtree(out, ignore_errors=True)
        augmentation = hvae.augment(bench.run(name, seed), out, per_class="balance", seed=seed)
        print(f"{out.name}: {augmentation.counts}, {augmentation.copies} near copies left out", flush=True)
        return augmentation.pictures, augmentation.labels

    return draw


def true(bench: Bench, seed: int, own: Labelled) -> Labelled:
    """More of the generator, from seeds that none of its parts has."""
    number = bench.missing(own[1])
    pictures = torch.as_tensor(fundus(number, lesions=True, seed=1_000 + seed)).float() / 255
    return pictures, torch.full((number,), bench.study.rare)


TRUE = "as many true pictures"
ROWS: dict[str, Draw] = {
    "none": nothing,
    "rare class repeated": repeated,
    "flat": sampled("flat"),
    "two levels": sampled("two levels"),
    TRUE: true,
}


def interval(values: np.ndarray) -> str:
    """The mean over seeds with Student's 95 % interval, in percent."""
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():.1%} ± {half:.1%}"


if __name__ == "__main__":
    main()
