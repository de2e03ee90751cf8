"""How well `hvae inspect` predicts the peak memory of training: prediction against measurement, run by run.

    python benchmarks/memory_prediction.py [--steps 4]

Each run trains for a few steps in a process of its own on random data of the preset's shape.  Measured is the growth of
the process's peak resident memory above what it held before the model was built.  The aim is an error within 25 %.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile

RUNS = [
    ("digits", {}),
    ("mnist-static-vae", {"train.batch": "256"}),
    ("mnist-static-lvae", {"train.batch": "256"}),
    ("mnist-static-vlae", {"train.batch": "256"}),
    ("mnist-static-ladder", {}),
    ("mnist-static-ladder", {"model.checkpoint": "true"}),
    ("mnist", {"train.batch": "64", "train.accumulate": "2"}),
    ("cifar10", {"train.batch": "4"}),
]


def measure(name: str, overrides: dict[str, str], steps: int) -> dict[str, float]:
    """Train for a few steps in this process; predicted and measured bytes."""
    import resource

    import torch

    from hvae.config import preset
    from hvae.data.images import Split
    from hvae.inspection import inspect
    from hvae.objectives import build as objective
    from hvae.training import fit
    from hvae.zoo import build

    torch.set_num_threads(1)
    config = preset(name, {**overrides, "train.steps": str(steps), "train.valid_every": "0"})
    shape, bits = {"digits": ((1, 8, 8), 4), "cifar10": ((3, 32, 32), 8), "mnist": ((1, 28, 28), 8)}.get(
        name, ((1, 28, 28), 1)
    )
    store = torch.randint(2**bits, (max(config.train.batch, 64), *shape), dtype=torch.uint8)
    split = Split(store=store, rows=torch.arange(len(store)), labels=None, depth=bits)
    loss = objective(config.objective)
    warm = build(config.model, shape=shape, bits=bits)  # libraries load on first use: that is the process, not the run
    warm(split.batch(torch.arange(1))) if config.model.family == "ladder" else None
    predicted = inspect(warm, config.train.batch // config.train.accumulate, objective=loss).memory.peak
    del warm
    import lightning  # noqa: F401

    before = resident()
    with tempfile.TemporaryDirectory() as folder:
        fit(build(config.model, shape=shape, bits=bits), loss, split, config.train, folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"predicted": predicted, "measured": peak - before}


def resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(*json.loads(args.one), args.steps)))
        return
    for name, overrides in RUNS:
        words = [sys.executable, __file__, "--steps", str(args.steps), "--one", json.dumps([name, overrides])]
        output = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        result = json.loads(output.splitlines()[-1])
        error = result["predicted"] / result["measured"] - 1
        print(
            f"{name} {overrides or ''}: predicted {result['predicted'] / 1e6:.0f} MB, "
            f"measured {result['measured'] / 1e6:.0f} MB, {error:+.0%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
