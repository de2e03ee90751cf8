"""Whole walks in other runtimes: a decoder and an encoder as torch, OpenVINO and onnxruntime run them.

    python benchmarks/exported.py RUN [--rows 16] [--rounds 15]

The graphs are those of `hvae export`.  Sides alternate in one process that is held to one core; times are those of
the processor, medians of the rounds, the first three left out.  torch is the same function of the same tensors,
without gradients; a decoder draws no noise of its own in any of them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# Before any library counts the cores.
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import torch

import hvae
from hvae.deploy import Decoder, Encoder
from hvae.deploy.formats import FORMATS

PARTS = {"decoder": Decoder, "encoder": Encoder}
OTHERS = ("openvino", "onnx")
WARM = 3


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("run")
    words.add_argument("--rows", type=int, default=16)
    words.add_argument("--rounds", type=int, default=15)
    args = words.parse_args()
    torch.set_num_threads(1)
    model = hvae.load(args.run).model
    for part, kind in PARTS.items():
        program = kind(model).eval()
        arguments = program.arguments(args.rows)
        with tempfile.TemporaryDirectory() as place:
            sides = {"torch": lambda program=program, arguments=arguments: program(*arguments)}
            for to in OTHERS:
                file = Path(place) / f"{part}{FORMATS[to].suffix}"
                hvae.export(args.run, file, to=to, part=part)
                run = FORMATS[to].runner(program, file)
                sides[to] = lambda run=run, arguments=arguments: run(arguments)
            report(part, args.rows, sides, args.rounds)


def report(part: str, rows: int, sides: dict[str, Callable[[], object]], rounds: int) -> None:
    """A line: milliseconds of each side, and how many times torch takes."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    with torch.inference_mode():
        for number in range(rounds + WARM):
            for name, work in sides.items():
                began = time.process_time()
                work()
                times[name].extend([time.process_time() - began] * (number >= WARM))
    medians = {name: 1000 * statistics.median(values) for name, values in times.items()}
    text = "   ".join(f"{name} {ms:7.1f} ms ({medians['torch'] / ms:4.2f})" for name, ms in medians.items())
    print(f"{part}, {rows} rows: {text}", flush=True)


if __name__ == "__main__":
    main()
