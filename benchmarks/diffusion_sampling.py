"""Samples of a diffusion by solver and number of steps: distance to real pictures, and time.

    python benchmarks/diffusion_sampling.py RUN [-n 320] [--plans second-order:5,...]

Frechet and kernel distance between features of `-n` samples (pixels drawn) and of as many real test pictures, by the
random network of 256 features that is built in; the floor is that of as many other test pictures.  Seconds are
CPU time of one thread for all samples.  Seed 0.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor

import hvae
from hvae import explore
from hvae.data import load
from hvae.metrics import quality, random_features

PLANS = (
    *("ancestral:5", "ancestral:10", "ancestral:20", "ancestral:50", "ancestral:100", "ancestral:1000"),
    *("ddim:5", "ddim:10", "ddim:20", "ddim:50", "second-order:5", "second-order:10", "second-order:20"),
    "second-order:50",
)
AT_ONCE = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("-n", "--number", type=int, default=320, help="more than 256, the number of features")
    parser.add_argument("--plans", default=",".join(PLANS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    loaded = hvae.load(args.run)
    test, model, n = load(loaded.config.data).test, loaded.model.eval(), args.number
    real, other = test.batch(range(n)).x, test.batch(range(n, 2 * n)).x
    network = random_features(model.shape[0])

    def report(name: str, pictures: Tensor, seconds: float) -> None:
        result = quality(real.split(AT_ONCE), pictures.split(AT_ONCE), network)
        print(f"{name:<18} {result.fid:>9.4f} {result.kid:>9.5f} {seconds:>9.1f} s", flush=True)

    print(f"{'solver':<18} {'Frechet':>9} {'kernel':>9} {'seconds':>11}  {n} samples, {n} real, {network.name}")
    report("real pictures", other, 0.0)
    for plan in args.plans.split(","):
        start = time.process_time()
        pictures = explore.sample_pixels(model, n, solver=plan, seed=0, chunk=AT_ONCE)
        report(plan, pictures, time.process_time() - start)


if __name__ == "__main__":
    main()
