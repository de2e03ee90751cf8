"""What a training step takes with several threads, by how a thread waits for the others: asleep, or in a loop.

    python benchmarks/waiting.py [--presets digits mnist-static-lvae mnist-static-ladder] [--threads 2] [--beside 0]
                                 [--rounds 5] [--seconds 3] [--ways passive library ...]

`1,000 turns` is what the commands of `hvae` do beside other work, `10,000 turns` where nobody else computes when they
begin (`hvae/threads.py`), `library` what the OpenMP library does by itself, `passive` sleeps at once; `one` is a single
thread.  `--beside N` starts N busy processes.  Each way has a process of its own (the library reads its settings once),
they take turns, and all have the same weights and data.  Wall time is what this is about, so the cores that others use
are printed beside it: a ratio of wall times under load is none of the machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles

import torch
from alternating import others
from revisions import DATA, Steps

from hvae import heap, threads
from hvae.config.presets import preset
from hvae.runs.source import expected_shape

WAYS = {
    "library": {},
    "passive": {"OMP_WAIT_POLICY": "passive"},
    "1,000 turns": {threads.TURNS: threads.FEW},
    "3,000 turns": {threads.TURNS: "3000"},
    "10,000 turns": {threads.TURNS: threads.MANY},
    "one": {"OMP_NUM_THREADS": "1"},
}
FEW = 3
"""Steps that a round takes at least, however slow they are."""
BUSY = "while True: pass"


class Way:
    """A process that trains a preset and waits in one of the ways."""

    def __init__(self, name: str, count: int, environment: dict[str, str]) -> None:
        plain = {word: value for word, value in os.environ.items() if word not in threads.CHOICES}
        own = plain | {"OMP_NUM_THREADS": str(count)} | environment
        command = [sys.executable, __file__, "--serve", name]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=own)
        self.rounds: list[list[float]] = []
        self.answer()

    def answer(self) -> list[float]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline() or sys.exit("a side has stopped; its message is above")
        return [float(word) for word in line.split()]

    def round(self, seconds: float) -> None:
        """Train for so long, and keep the median, the ninth tenth, the mean and the processor time of a step."""
        assert self.process.stdin is not None
        print(seconds, file=self.process.stdin, flush=True)
        self.rounds.append(self.answer())


def serve(name: str) -> None:
    """Train for as many seconds as each line says, and tell the milliseconds of a step."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints
    heap.keep()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    DATA[name] = ((1, 8, 8), 4) if name == "digits" else expected_shape(preset(name))
    steps = Steps(name, 0, "32", Path(tempfile.mkdtemp()) / "weights.pt")
    print(steps.step(), file=answers, flush=True)
    for line in sys.stdin:
        print(*timed(steps, float(line)), file=answers, flush=True)


def timed(steps: Steps, seconds: float) -> list[float]:
    walls, cpu, start = [], time.process_time(), time.perf_counter()
    while len(walls) < FEW or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        steps.step()
        walls.append(time.perf_counter() - before)
    spent = (time.process_time() - cpu) / len(walls)
    return [1e3 * value for value in (median(walls), quantiles(walls, n=10)[-1], sum(walls) / len(walls), spent)]


def compare(name: str, names: Sequence[str], args: argparse.Namespace) -> None:
    ways = {way: Way(name, args.threads, WAYS[way]) for way in names}
    noise = others()
    for number in range(args.rounds):
        for way in sorted(ways, reverse=bool(number % 2)):
            ways[way].round(args.seconds)
    print(f"{name}, {args.threads} threads, {args.rounds} rounds, others use {noise:.2f} of {os.cpu_count()} cores")
    print(f"  {'':14}{'median':>10}{'9th tenth':>10}{'mean':>10}{'CPU':>10}   ms a step, medians of rounds")
    for way, side in ways.items():
        print(f"  {way:14}" + "".join(f"{median(column):10.2f}" for column in zip(*side.rounds, strict=True)))
        side.process.communicate()


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        return serve(sys.argv[2])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["digits", "mnist-static-lvae", "mnist-static-ladder"])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--beside", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    args = parser.parse_args()
    with ExitStack() as busy:
        for _ in range(args.beside):
            busy.callback(subprocess.Popen([sys.executable, "-c", BUSY]).kill)
        for name in args.presets:
            compare(name, args.ways, args)


if __name__ == "__main__":
    main()
