"""What a training step of the ladder takes with channels last, beside the same step in plain order.

    python benchmarks/ladder_step.py [--presets mnist-static-ladder cifar10-small] [--rounds 41] [--batch 16]

A step is the loss, its gradient and Adam.  Both sides have the same weights and the same data, and their losses on the
noise of one seed are compared first.  They take turns in one process, on one thread, and processor time is compared,
which other work on the machine disturbs least: medians, half of the rounds lie between the two numbers in brackets, and
the load of the machine is printed.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from copy import deepcopy
from statistics import quantiles

import torch
from torch import Tensor, nn

from hvae import heap
from hvae.config.presets import preset
from hvae.draw import prior
from hvae.nn.layout import ChannelsLast
from hvae.objectives import ELBO
from hvae.training.loss import Batch, LossStep
from hvae.training.optimisers import optimiser
from hvae.walk import Model, run
from hvae.zoo import build

DATA = {"mnist-static-ladder": ((1, 28, 28), 1), "mnist": ((1, 28, 28), 8)}
DATA |= dict.fromkeys(("cifar10-small", "cifar10"), ((3, 32, 32), 8))
"""The shape and the bits of what each preset trains on."""
Step = Callable[[], float]


def plain(model: Model) -> Model:
    """The model in the order in which its data lie."""
    for module in model.modules():
        for name, part in module.named_children():
            if isinstance(part, ChannelsLast):
                setattr(module, name, nn.Identity())
    return model


def step(model: Model, x: Tensor, name: str) -> Step:
    loss, adam = LossStep(model.train(), ELBO()), optimiser(preset(name).train, model.parameters())

    def taken() -> float:
        adam.zero_grad(set_to_none=True)
        total, _ = loss(Batch(x), 0)
        total.backward()
        adam.step()
        return total.item()

    return taken


def seconds(work: Step) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def compare(name: str, batch: int, rounds: int) -> None:
    torch.manual_seed(0)
    shape, bits = DATA[name]
    model = build(preset(name).model, shape, bits)
    with torch.no_grad():
        x = run(model.eval(), prior(), n=batch).x
    steps = {"plain": step(plain(deepcopy(model)), x, name), "channels last": step(model, x, name)}
    agree(steps)
    times: dict[str, list[float]] = {side: [] for side in steps}
    for _ in range(rounds):
        for side, spent in times.items():
            spent.append(seconds(steps[side]))
    report(name, times)


def agree(steps: dict[str, Step]) -> None:
    """Raises unless the first steps of both sides have one loss; they also warm up what is timed."""
    losses = []
    for work in steps.values():
        torch.manual_seed(1)
        losses.append(work())
    assert abs(losses[0] - losses[1]) < 1e-5 * abs(losses[1]), f"different losses: {losses}"


def report(name: str, times: dict[str, list[float]]) -> None:
    medians = {}
    print(f"{name}, {len(next(iter(times.values())))} rounds, load {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores")
    for side, spent in times.items():
        low, medians[side], high = quantiles(spent, n=4)
        print(f"  {side:14s} {medians[side] * 1e3:7.1f} ms [{low * 1e3:.1f}, {high * 1e3:.1f}]")
    ratios = [a / b for a, b in zip(*times.values(), strict=True)]
    low, middle, high = quantiles(ratios, n=4)
    ratio = medians["plain"] / medians["channels last"]
    print(f"  {ratio:.3f} times as fast; in single rounds {middle:.3f} [{low:.3f}, {high:.3f}]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", choices=DATA, default=["mnist-static-ladder", "cifar10-small"])
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    torch.set_num_threads(1)
    heap.keep()
    for name in args.presets:
        compare(name, args.batch, args.rounds)


if __name__ == "__main__":
    main()
