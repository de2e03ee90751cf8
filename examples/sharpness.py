"""How sharp and how diverse are samples, by temperature?  Several runs on binary images, judged by one classifier.

    python examples/sharpness.py RUN... --data mnist-dynamic [--root FOLDER] [--temperatures 1 0.8 0.6 0.4]

For each run and temperature, of `-n` samples (pictures are means of pixels), beside as many other test images:

grey      mean entropy of a pixel, nats: 0 where every pixel is black or white, at most 0.693
edges     mean absolute difference of neighbouring pixels
sure      mean largest probability of the judge, a small classifier whose accuracy is named
classes   exp of the entropy of the judged classes: how many are in use
precision, recall, density, coverage   in the judge's features (Kynkaanniemi 2019; Naeem 2020), pixels drawn
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

import hvae
from hvae.config.data import DataConfig
from hvae.data import load
from hvae.explore import sample_pixels
from hvae.metrics import (
    Classifier,
    Extractor,
    classifier_features,
    density_coverage,
    features_of,
    precision_recall,
    train_classifier,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders")
    parser.add_argument("--data", required=True, help="a labelled binary data set of their shape")
    parser.add_argument("--root", default="", help="folder in which known data sets are looked for")
    parser.add_argument("--temperatures", nargs="+", type=float, default=[1.0], help="of all levels (default: 1)")
    parser.add_argument("-n", type=int, default=1000, help="samples (default: 1000)")
    args = parser.parse_args()
    data = load(DataConfig(name=args.data, root=args.root))
    train, test = data.train.fixed(0), data.test
    pick = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:10_000]
    indices = torch.arange(len(test))
    judge = train_classifier(train.pictures(pick), train.labels[pick], test.pictures(indices), test.labels)
    features = classifier_features(judge)
    real, others = (test.pictures(indices[args.n * i : args.n * (i + 1)]) for i in range(2))
    print(f"judge: {judge.describe()}")
    print(f"{'run':20} {'t':>4} " + " ".join(f"{name:>9}" for name in NAMES))
    print(row("test images", 1.0, described(judge, real, others, others, features)))
    for run in args.runs:
        model = hvae.load(run).model
        for t in args.temperatures:
            means = hvae.sample(model, args.n, temperature=t, seed=0)
            samples = sample_pixels(model, args.n, temperature=t, seed=0)
            print(row(run, t, described(judge, real, means, samples, features)), flush=True)


NAMES = ("grey", "edges", "sure", "classes", "precision", "recall", "density", "coverage")


def row(name: str, t: float, numbers: tuple[float, ...]) -> str:
    return f"{name[-20:]:20} {t:4.1f} " + " ".join(f"{number:9.3f}" for number in numbers)


def described(judge: Classifier, real: Tensor, means: Tensor, some: Tensor, features: Extractor) -> tuple[float, ...]:
    """The numbers of `NAMES`, of the means and of the drawn pictures of the same latents, each (N, C, H, W)."""
    probabilities = judge.probabilities(means)
    shares = probabilities.argmax(1).bincount(minlength=probabilities.shape[1]).double() / len(means)
    a, b = features_of(features, [real]), features_of(features, [some])
    judged = float(probabilities.amax(1).mean()), float(torch.special.entr(shares).sum().exp())
    return grey(means), edges(means), *judged, *precision_recall(a, b), *density_coverage(a, b)


def grey(x: Tensor) -> float:
    return float((torch.special.entr(x) + torch.special.entr(1 - x)).mean())


def edges(x: Tensor) -> float:
    return float(torch.cat([x.diff(dim=2).abs().flatten(), x.diff(dim=3).abs().flatten()]).mean())


if __name__ == "__main__":
    main()
