"""Samples of a diffusion by solver and number of steps: distance to real pictures, and time.

    python benchmarks/diffusion_sampling.py RUN [-n 160] [--plans second-order:5,...]

Frechet and kernel distance between features of `-n` samples (pixels drawn) and of as many real test pictures, by the
hidden layer of a small convolutional classifier that is trained on 8,000 pictures first, or on all there are (a network
of random weights sees colours and little else).  The floor is the distance of as many other test pictures.  Seconds are
CPU time of one thread for all samples.  Seed 0.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor, nn

import hvae
from hvae import explore
from hvae.data import load
from hvae.data.images import ImageData
from hvae.metrics import Extractor, quality, train_classifier

PLANS = (
    *("ancestral:5", "ancestral:10", "ancestral:20", "ancestral:50", "ancestral:100", "ancestral:1000"),
    *("ddim:5", "ddim:10", "ddim:20", "ddim:50", "second-order:5", "second-order:10", "second-order:20"),
    "second-order:50",
)
AT_ONCE, TRAINED_ON, TESTED_ON = 64, 8_000, 1_000


def judge(data: ImageData) -> Extractor:
    """The hidden layer of a classifier of the data's own classes, named with its accuracy."""
    train, test = data.train.fixed(0), data.test
    some, other = train.batch(range(min(len(train), TRAINED_ON))), test.batch(range(min(len(test), TESTED_ON)))
    classifier = train_classifier(some.x, some.context["label"], other.x, other.context["label"], kind="conv")
    return Extractor(name=f"hidden layer of {classifier.describe()}", network=nn.Sequential(*classifier.model.net[:-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("-n", "--number", type=int, default=160, help="more than 128, the number of features")
    parser.add_argument("--plans", default=",".join(PLANS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    loaded = hvae.load(args.run)
    data, model, n = load(loaded.config.data), loaded.model.eval(), args.number
    real, other, network = data.test.batch(range(n)).x, data.test.batch(range(n, 2 * n)).x, judge(data)

    def report(name: str, pictures: Tensor, seconds: float) -> None:
        result = quality(real.split(AT_ONCE), pictures.split(AT_ONCE), network)
        print(f"{name:<18} {result.fid:>9.3f} {result.kid:>9.4f} {seconds:>9.1f} s", flush=True)

    print(f"{'solver':<18} {'Frechet':>9} {'kernel':>9} {'seconds':>11}  {n} samples, {n} real, {network.name}")
    report("real pictures", other, 0.0)
    for plan in args.plans.split(","):
        start = time.process_time()
        pictures = explore.sample_pixels(model, n, solver=plan, seed=0, chunk=AT_ONCE)
        report(plan, pictures, time.process_time() - start)


if __name__ == "__main__":
    main()
