"""A training step of presets by this tree beside the same step by an older one.

    git worktree add /tmp/older REVISION
    python benchmarks/revisions.py /tmp/older [--presets mnist-static-ladder cifar10-small] [--rounds 11] [--batch N]
        [--threads 1]

A step is all that `hvae train` does between two batches: loss, gradient and its norm, Adam, the running average.  Sides
have the same weights and data, each in a process of its own; the losses of the first step are compared first.
Processor time of one thread, of more the time by the clock, in turns: medians, quartiles in brackets.  The third side
is this tree in bf16.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import quantiles

import torch

from hvae import heap
from hvae.config.presets import preset
from hvae.data.order import MicroBatch
from hvae.datum import as_datum
from hvae.objectives import build as objective
from hvae.zoo import build

DATA = {"mnist-static-ladder": ((1, 28, 28), 1), "mnist": ((1, 28, 28), 8)}
DATA |= dict.fromkeys(("cifar10-small", "cifar10", "vdvae-cifar10"), ((3, 32, 32), 8))
"""The shape and the bits of what each preset trains on."""
SHORT = 0.4
"""Seconds that a round takes at least."""
HERE = Path(__file__).resolve().parent.parent


class Steps:
    """Training steps of a preset by the library that this process imports."""

    def __init__(self, name: str, batch: int, precision: str, weights: Path) -> None:
        training = "hvae.training" if find_spec("hvae.training") else "hvae.train"
        config, (shape, bits) = preset(name), DATA[name]
        torch.manual_seed(0)
        self.x = torch.randint(0, 2**bits, (batch or config.train.batch, *shape)) / (2**bits - 1)
        model = build(config.model, shape, bits)
        if weights.exists():
            model.load_state_dict(torch.load(weights))
        else:
            torch.save(model.state_dict(), weights)
        train = replace(config.train, precision=precision, accelerator="cpu", devices=1)
        fabric = importlib.import_module(f"{training}.engine").engine(train)
        learner = importlib.import_module(f"{training}.learner").Learner
        self.learner = learner(fabric, model.train(), objective(config.objective), train)
        self.number = 0

    def step(self) -> float:
        """The loss of one more step."""
        micro = MicroBatch(self.number, 0, torch.arange(len(self.x)), 0)
        self.number += 1
        outcome = self.learner.step(iter([(micro, as_datum(self.x))]), 1e-4)
        return float(outcome.values[outcome.names.index("loss")])

    def seconds(self) -> float:
        """Seconds of a step: of the processor with one thread; two that wait for each other use it all the same."""
        clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
        start, count = clock(), 0
        while clock() - start < SHORT:
            self.step()
            count += 1
        return (clock() - start) / count


def serve(words: list[str]) -> None:
    """One side: its first loss, then its seconds for every line that comes."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints
    name, batch, threads, precision, weights = words
    torch.set_num_threads(int(threads))
    heap.keep()
    steps = Steps(name, int(batch), precision, Path(weights))
    print(steps.step(), file=answers, flush=True)
    for _ in sys.stdin:
        print(steps.seconds(), file=answers, flush=True)


class Side:
    """Another process, with the library of a tree."""

    def __init__(self, tree: Path, *words: str) -> None:
        command = [sys.executable, __file__, "--serve", *words]
        paths = os.environ | {"PYTHONPATH": str(tree / "src")}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=paths)
        self.loss = self.answer()

    def answer(self) -> float:
        assert self.process.stdout is not None
        return float(self.process.stdout.readline() or sys.exit("a side has stopped; its message is above"))

    def seconds(self) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.answer()


def compare(older: Path, name: str, batch: int, threads: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        words, weights = (name, str(batch), str(threads)), str(Path(folder) / "weights.pt")
        trees = {"older": (older, "32"), "this tree": (HERE, "32"), "in bf16": (HERE, "bf16")}
        sides = {side: Side(tree, *words, kind, weights) for side, (tree, kind) in trees.items()}
    a, b = sides["older"].loss, sides["this tree"].loss
    assert abs(a - b) < 1e-5 * abs(b), f"different losses: {a} and {b}"
    times: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(rounds):
        for side in sorted(sides, reverse=bool(number % 2)):
            times[side].append(sides[side].seconds())
    for one in sides.values():
        one.process.communicate()
    print(f"{name}, {rounds} rounds, load {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores")
    for side, spent in times.items():
        low, middle, high = quantiles([old / new for old, new in zip(times["older"], spent, strict=True)], n=4)
        ratio = f"{middle:.3f} [{low:.3f}, {high:.3f}] times as fast"
        print(f"  {side:10s} {quantiles(spent, n=4)[1] * 1e3:8.1f} ms   {ratio}   first loss {sides[side].loss:.4f}")


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        return serve(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("older", type=Path)
    parser.add_argument("--presets", nargs="+", choices=DATA, default=["mnist-static-ladder", "cifar10-small"])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    for name in args.presets:
        compare(args.older, name, args.batch, args.threads, args.rounds)


if __name__ == "__main__":
    main()
