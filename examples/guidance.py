"""How closely samples follow their class at several weights of guidance: a table, and a sheet with a row a weight.

python examples/guidance.py RUN [--weights 1,1.5,2,3] [--each 100] [--out guidance.png]

RUN is a class-conditional run of `hvae train` with model.condition.drop above 0, as `mnist-ladder-class` makes it.  The
judge is a small convolutional network that is trained on the run's own training data.
"""

from __future__ import annotations

import argparse

import torch

import hvae
from hvae.data import Split, load, subset
from hvae.explore import sample, sample_pixels
from hvae.explore.tiles import grid
from hvae.metrics import train_classifier
from hvae.metrics.condition import information

MOST = 60_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--weights", default="1,1.5,2,3")
    parser.add_argument("--each", type=int, default=100, help="samples of each class")
    parser.add_argument("--out", default="guidance.png")
    parser.add_argument("--root", default="", help="the folder of known data sets")
    args = parser.parse_args()
    run = hvae.load(args.run)
    data = load(run.config.override({"data.root": args.root}).data)
    train, test = data.train.some(subset(len(data.train), MOST)).fixed(0), data.test
    images, labels, others, other_labels = *whole(train), *whole(test)
    judge = train_classifier(images, labels, others, other_labels, kind="conv")
    classes = run.model.conditions["label"].classes
    y = torch.arange(classes).repeat_interleave(args.each)
    print(f"{len(y):,} samples a row, pixels drawn; judge: {judge.describe()}")
    rows = []
    for weight in map(float, args.weights.split(",")):
        samples = sample_pixels(run.model, len(y), context={"label": y}, guidance=weight, seed=0)
        judged = judge(samples).clamp(max=classes - 1)
        nats = information(y, judged, classes)
        print(f"guidance {weight:<4g} judged right {float((judged == y).double().mean()):.1%}, I {nats:.3f} nats")
        rows.append(sample(run.model, classes, context={"label": torch.arange(classes)}, guidance=weight, seed=1))
    with open(args.out, "wb") as file:
        file.write(grid(torch.stack(rows), rows=[f"w = {weight}" for weight in args.weights.split(",")]))


def whole(split: Split) -> tuple[torch.Tensor, torch.Tensor]:
    """All pictures of a split and their labels."""
    assert split.labels is not None
    return split.pictures(range(len(split))), split.labels


if __name__ == "__main__":
    main()
