"""What a condition costs the first steps of a training: one ladder, the same pictures in the same order and noise.

    python benchmarks/condition_start.py DATA [--steps 200] [--seeds 0 1] [--ways none class drawn]

`cifar10-ladder-class` on the first 4,096 training pictures of CIFAR-10, steps of 16: without its condition, with it
from a silent start (`model.condition.start 0`), and with it where the layers that it enters by are drawn (1).
Printed are the loss in nats a picture at the first step and its means over fifths of the steps, and the -ELBO, one
draw, of the first 200 test pictures; Adam at 1e-3 after a warm-up of 100 steps, gradients clipped at 200, one thread.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import torch
from torch import Tensor, nn

from hvae.config.condition import ConditionConfig
from hvae.config.data import DataConfig
from hvae.config.presets import preset
from hvae.data import load
from hvae.datum import Datum
from hvae.draw import posterior
from hvae.objectives import ELBO
from hvae.runs.source import expected_shape
from hvae.training.loss import Batch, LossStep
from hvae.walk import Model, run, still
from hvae.zoo import build

CONFIG = preset("cifar10-ladder-class")
PICTURES, TESTED, BATCH, RATE, WARM, CLIP = 4096, 200, 16, 1e-3, 100, 200.0
WAYS = ("none", "class", "drawn")


def model_of(way: str, seed: int) -> Model:
    """The model of the preset, as one of the ways starts it."""
    torch.manual_seed(seed)
    shape, bits = expected_shape(CONFIG)
    loudness = {"class": 0.0, "drawn": 1.0}
    condition = replace(CONFIG.model.condition, start=loudness[way]) if way in loudness else ConditionConfig()
    return build(replace(CONFIG.model, condition=condition), shape=shape, bits=bits)


def datum(model: Model, x: Tensor, label: Tensor) -> Datum:
    return Datum(x.float() / 255, {"label": label} if model.conditions else {})


def train(model: Model, x: Tensor, label: Tensor, steps: int) -> Tensor:
    """The loss of each step, (steps,)."""
    model.prepare(datum(model, x[:64], label[:64]))
    loss, order = LossStep(model, ELBO()), torch.Generator().manual_seed(7)
    moments = torch.optim.Adam(loss.parameters(), RATE)
    losses = torch.zeros(steps)
    for step in range(steps):
        rows = torch.randint(len(x), (BATCH,), generator=order)
        moments.param_groups[0]["lr"] = RATE * min(1.0, (step + 1) / WARM)
        moments.zero_grad()
        torch.manual_seed(step)
        total = loss(Batch(datum(model, x[rows], label[rows])), step)[0]
        total.backward()
        nn.utils.clip_grad_norm_(loss.parameters(), CLIP)
        moments.step()
        losses[step] = total.detach()
    return losses


def bound(model: Model, x: Tensor, label: Tensor) -> float:
    """The mean -ELBO in nats."""
    with still(model, 0), torch.no_grad():
        return -float(run(model, posterior, model.evidence(datum(model, x, label))).elbo().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="the folder with the known data sets")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = load(DataConfig(name="cifar10", root=args.data))
    train_x, test_x = (next(iter(split.chunks())) for split in (data.train, data.test))
    for seed in args.seeds:
        for way in args.ways:
            start, model = time.process_time(), model_of(way, seed)
            losses = train(model, train_x[:PICTURES], data.train.labels[:PICTURES], args.steps)
            fifths = ", ".join(f"{part.mean():.0f}" for part in losses.chunk(5))
            test = bound(model, test_x[:TESTED], data.test.labels[:TESTED])
            seconds = time.process_time() - start
            print(f"{way} {seed}: first {losses[0]:.1f}, fifths {fifths}; test {test:.1f}; {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
