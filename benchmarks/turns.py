"""Two sides that take turns, each in a process of its own with the heap that its users have.

The commands of `hvae` keep what they free (`hvae.heap`); whoever runs published code has what the C library does by
itself, which cannot be brought back in a process that once changed it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping

import torch


class Side:
    """The script that is running, once more, as one side: `--side NAME`.  It answers each asked word by a number."""

    def __init__(self, name: str) -> None:
        command = [sys.executable, *sys.argv, "--side", name]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, word: str) -> float:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("a side has stopped; its message is above")
        return float(answer)

    def stop(self) -> None:
        self.process.communicate()


def memory(name: str) -> float:
    """Peak of two steps, in a process of its own."""
    side = Side(name)
    _, _, peak = (side.ask(word) for word in ("step", "step", "peak"))
    side.stop()
    return peak


def serve(tasks: Mapping[str, Callable[[], float]]) -> None:
    """Answer what is asked until nothing more is."""
    for line in sys.stdin:
        print(tasks[line.strip()](), flush=True)


def timed(work: Callable[[], object], device: torch.device | None = None) -> Callable[[], float]:
    """The work, as the seconds that it takes."""

    def seconds() -> float:
        _wait(device)
        start = time.perf_counter()
        work()
        _wait(device)
        return time.perf_counter() - start

    return seconds


def _wait(device: torch.device | None) -> None:
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)


def taken(sides: Mapping[str, Side], words: Mapping[str, int]) -> dict[tuple[str, str], list[float]]:
    """What each side answers to each word, as often as is said, in turns, and once before without counting."""
    seconds: dict[tuple[str, str], list[float]] = {}
    for word, rounds in words.items():
        for side in sides.values():
            side.ask(word)
        for _ in range(rounds):
            for name, side in sides.items():
                seconds.setdefault((word, name), []).append(side.ask(word))
    return seconds
