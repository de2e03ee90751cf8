"""Two sides of a pair, each in a process of its own, in alternation; and what else the machine was doing meanwhile."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles

import torch

from hvae import heap
from hvae.training.memory import MemoryMeter

Work = Callable[[], float]
"""One round of a side; what it returns (a loss) must be the other side's, where the two compute the same."""
Side = Callable[[], Work]
SHORT = 0.2
"""Seconds: a round repeats its work until it takes about that long."""


@dataclass(frozen=True)
class Pair:
    """Two ways to the same end.  The ratio is that of `theirs` over `ours`: above 1 ours is the faster one.

    `alike` where both compute one number, which is compared; `released` where theirs is code of others, whose users
    have the heap of the C library, and not the one that commands of `hvae` keep.
    """

    name: str
    ours: Side
    theirs: Side
    aim: float
    alike: bool = True
    released: bool = False


@dataclass(frozen=True)
class Round:
    """Seconds of one round, for one repetition of the work, and the cores that other processes used during it."""

    cpu: float
    wall: float
    others: float


@dataclass(frozen=True)
class Result:
    """All rounds of both sides, in the order in which they were measured, and the peak memory of each in bytes."""

    name: str
    threads: int
    aim: float
    repeats: int
    rounds: Mapping[str, list[Round]]
    peak: Mapping[str, int]

    def ratios(self, clock: str) -> tuple[float, float, float]:
        """The quartiles of theirs / ours, round by round."""
        pairs = zip(self.rounds["ours"], self.rounds["theirs"], strict=True)
        low, middle, high = quantiles([getattr(b, clock) / getattr(a, clock) for a, b in pairs], n=4)
        return low, middle, high

    def median(self, side: str, clock: str) -> float:
        return median(getattr(r, clock) for r in self.rounds[side])

    def outliers(self, clock: str) -> int:
        """Rounds further from the median of their side than five times the median distance from it."""
        return sum(_outliers([getattr(r, clock) for r in rounds]) for rounds in self.rounds.values())

    def others(self) -> float:
        """The cores that other processes used at most in one round."""
        return max(r.others for rounds in self.rounds.values() for r in rounds)

    def as_json(self) -> dict[str, object]:
        return {
            **asdict(self),
            "ratio_cpu": self.ratios("cpu"),
            "ratio_wall": self.ratios("wall"),
            "outliers_cpu": self.outliers("cpu"),
        }


def _outliers(values: list[float]) -> int:
    middle = median(values)
    spread = median(abs(v - middle) for v in values)
    return sum(abs(v - middle) > 5 * spread for v in values)


class Runner:
    """One side in its own process: its heap is that of its users, and nothing of the other side is in its caches."""

    def __init__(self, side: Side, threads: int, *, keep_heap: bool) -> None:
        spawning = multiprocessing.get_context("spawn")
        self.ours, theirs = spawning.Pipe()
        self.process = spawning.Process(target=_serve, args=(side, threads, keep_heap, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def ask(self, repeats: int) -> tuple[float, float, float]:
        """The number that the work returned, and the seconds of processor and of wall that `repeats` of it took."""
        try:
            self.ours.send(repeats)
            value, cpu, wall = self.ours.recv()
        except (EOFError, BrokenPipeError):
            raise SystemExit("a side has stopped; its message is above") from None
        return value, cpu, wall

    def peak(self) -> int:
        """Bytes of its peak above what it held before its first round."""
        self.ours.send(0)
        return int(self.ours.recv())

    def stop(self) -> None:
        self.ours.close()
        self.process.join()


def _serve(side: Side, threads: int, keep_heap: bool, questions: Connection) -> None:
    torch.set_num_threads(threads)
    if keep_heap:
        heap.keep()
    torch.manual_seed(0)
    work = side()
    meter = MemoryMeter(torch.device("cpu"))
    while True:
        try:
            repeats = questions.recv()
        except EOFError:
            return
        questions.send(_timed(work, repeats) if repeats else meter.peak())


def _timed(work: Work, repeats: int) -> tuple[float, float, float]:
    value, wall, cpu = 0.0, time.perf_counter(), time.process_time()
    for _ in range(repeats):
        torch.manual_seed(1)
        value = work()
    return value, time.process_time() - cpu, time.perf_counter() - wall


def measure(pair: Pair, threads: int, rounds: int) -> Result:
    """Both sides in alternation; raises SystemExit where they compute different numbers."""
    sides = {
        "ours": Runner(pair.ours, threads, keep_heap=True),
        "theirs": Runner(pair.theirs, threads, keep_heap=not pair.released),
    }
    try:
        first = {name: side.ask(1)[0] for name, side in sides.items()}
        _check(pair, first)
        repeats = max(1, round(SHORT / max(side.ask(1)[2] for side in sides.values())))
        taken: dict[str, list[Round]] = {name: [] for name in sides}
        for number in range(rounds):
            # Whoever is second finds a warmer machine: they take turns in that too.
            for name in sorted(sides, reverse=bool(number % 2)):
                taken[name].append(_round(sides[name], repeats))
        peak = {name: side.peak() for name, side in sides.items()}
    finally:
        for side in sides.values():
            side.stop()
    return Result(pair.name, threads, pair.aim, repeats, taken, peak)


def _check(pair: Pair, values: Mapping[str, float]) -> None:
    ours, theirs = values["ours"], values["theirs"]
    if pair.alike and abs(ours - theirs) > 1e-4 * abs(theirs):
        raise SystemExit(f"{pair.name}: the two sides compute different numbers, {ours:.7g} and {theirs:.7g}")


def _round(side: Runner, repeats: int) -> Round:
    before = busy()
    _, cpu, wall = side.ask(repeats)
    others = (busy() - before - cpu) / wall
    return Round(cpu / repeats, wall / repeats, max(0.0, others))


def busy() -> float:
    """Processor seconds that all processes of the machine have used so far; 0 where the system does not tell."""
    try:
        _, user, nice, system, _, _, irq, soft, *_ = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return 0.0
    return sum(map(int, (user, nice, system, irq, soft))) / 100


def others(seconds: float = 3.0) -> float:
    """The cores that other processes use while this one waits."""
    before, own = busy(), time.process_time()
    time.sleep(seconds)
    return (busy() - before - (time.process_time() - own)) / seconds
