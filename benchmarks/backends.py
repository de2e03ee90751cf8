"""Other runtimes in place of torch: sampling, the terms of the bounds and features, family by family.

    python benchmarks/backends.py [NAME ...] [--rows 16] [--rounds 15] [--threads 1] [--tasks sampling ...]
                                     [--backends onnxruntime openvino compile]

What is measured is what `--backend` uses: batches of random numbers drawn as torch draws them, the graph, and the
answers handed back, against torch's own walk.  Sampling is a batch of pictures; evaluation the features of a batch and
one draw of every term of its bounds; features the features and the means of q; score what `hvae score` asks of a
batch, its features, its bounds and rates, and its bounds with the lowest 1, 2, ... levels redrawn.  Sides alternate in
one process that is held to as many cores as threads; times are processor time of all threads, medians of the rounds,
the first three left out, with the quartiles of the ratio round by round; the load of the machine stands in every line.
Weights are those of a run where NAME is one, and as a preset begins where it is a preset.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from statistics import median, quantiles

import torch
from torch import Tensor

import hvae
from hvae.config import preset
from hvae.datum import Datum
from hvae.deploy import Backend
from hvae.engine import TORCH, Engine
from hvae.explore.features import features
from hvae.explore.frame import mean_picture
from hvae.explore.sample import Sampling
from hvae.metrics.draws import posterior_terms
from hvae.metrics.outliers import measure
from hvae.modules import still
from hvae.runs.source import expected_shape
from hvae.walk import Model
from hvae.zoo import build

NAMES = ("mnist-ladder", "vdvae-cifar10", "nvae-cifar10")
TASKS = ("sampling", "evaluation", "features", "score")
WARM = 3


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("names", nargs="*", default=NAMES)
    words.add_argument("--rows", type=int, default=16)
    words.add_argument("--rounds", type=int, default=15)
    words.add_argument("--threads", type=int, default=1)
    words.add_argument("--backends", nargs="*", default=("onnxruntime", "openvino", "compile"))
    words.add_argument("--tasks", nargs="*", default=TASKS)
    args = words.parse_args()
    torch.set_num_threads(args.threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: args.threads]))
    for name in args.names:
        model = loaded(name)
        works = tasks(model, args.rows)
        for task in args.tasks:
            engines = {other: Backend(other, f"{name}, {args.rows} rows", print) for other in args.backends}
            report(f"{name}, {task}, {args.rows} rows", works[task], engines, args.rounds)


def loaded(name: str) -> Model:
    """A packaged run by its name, else the untrained model of a preset."""
    if name in ("mnist-ladder", "digits") or os.path.exists(name):
        return hvae.load(name).model
    config = preset(name)
    torch.manual_seed(0)
    shape, bits = expected_shape(config)
    return build(config.model, shape, bits).eval()


def tasks(model: Model, rows: int) -> dict[str, Callable[[Engine], object]]:
    """What an engine is measured at."""
    x = torch.rand(rows, *model.shape, generator=torch.Generator().manual_seed(0)).round()

    def sampling(engine: Engine) -> Tensor:
        return Sampling(seed=1, chunk=rows, engine=engine).draw(model, rows, mean_picture)

    def evaluation(engine: Engine) -> object:
        with still(model, seed=1):
            return engine.answer(posterior_terms(model), engine.evidence(model, Datum(x)))

    return {
        "sampling": sampling,
        "evaluation": evaluation,
        "features": lambda engine: list(features(model, [x], engine=engine)),
        "score": lambda engine: measure(model, [x], bits=1, engine=engine),
    }


def report(what: str, work: Callable[[Engine], object], engines: dict[str, Backend], rounds: int) -> None:
    """A line for each back end: its time beside torch's, their ratio, what the conversion took, and the load."""
    began = {}
    for name, engine in engines.items():
        before = time.process_time()
        work(engine)
        began[name] = time.process_time() - before
    sides: dict[str, Engine] = {"torch": TORCH, **engines}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + WARM):
        for name, engine in sides.items():
            before = time.process_time()
            work(engine)
            times[name].extend([time.process_time() - before] * (number >= WARM))
    load = os.getloadavg()[0]
    print(f"{what}: torch {1000 * median(times['torch']):.1f} ms (load {load:.0f})")
    for name, engine in engines.items():
        low, middle, high = quantiles([a / b for a, b in zip(times["torch"], times[name], strict=True)], n=4)
        one = f"{1000 * median(times[name]):.1f} ms, {middle:.2f} times as fast ({low:.2f} to {high:.2f})"
        print(f"    {name}: {one}; first batch {began[name]:.0f} s; {engine.use.to_dict()}", flush=True)


if __name__ == "__main__":
    main()
