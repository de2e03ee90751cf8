"""How the time of the codec is shared: networks, tables of masses, the entropy coder itself.

    python benchmarks/codec_speed.py RUN [-n 64] [--batch 16]      a trained run, on data drawn from it
    python benchmarks/codec_speed.py cifar10-small                 a preset without training: the same work

Processor time on one thread, by the profiler; wall time on a busy machine says little.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from pathlib import Path

import numpy as np
import torch

from hvae.checkpoints import load
from hvae.coding.entropy.stack import Stack
from hvae.coding.lossless.codec import Codec
from hvae.coding.lossless.coder import ORDERS, Coder, best_order, with_enough_noise
from hvae.config.presets import preset
from hvae.draw import prior
from hvae.runs.source import expected_shape
from hvae.walk import Model, run
from hvae.zoo import build

TABLES = ("symbols.py", "steady.py", "bins.py", "curves.py")


def subject(source: str) -> tuple[Model, int]:
    """The model of a run, or of a preset as it is before training, and its bits."""
    if Path(source).exists():
        loaded = load(source)
        return loaded.model, loaded.bits
    config = preset(source)
    shape, bits = expected_shape(config)
    return build(config.model, shape=shape, bits=bits).eval(), bits


def shares(work: cProfile.Profile) -> tuple[float, float, float]:
    """Seconds in networks and all else, in tables, and in the coder."""
    coder = tables = total = 0.0
    for (file, _, name), (_, _, own, _, callers) in pstats.Stats(work).stats.items():  # type: ignore[attr-defined]
        total += own
        if "AnsCoder" in name:
            coder += own
        elif Path(file).name in TABLES:
            tables += own
        else:
            tables += sum(call[2] for (by, _, _), call in callers.items() if Path(by).name in TABLES)
    return total - tables - coder, tables, coder


def tell(name: str, work: cProfile.Profile, images: int) -> None:
    network, tables, coder = shares(work)
    total = network + tables + coder
    parts = ", ".join(
        f"{k} {100 * v / total:.1f} %" for k, v in [("network", network), ("tables", tables), ("coder", coder)]
    )
    print(f"{name}: {1e3 * total / images:.2f} ms an image: {parts}")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("source")
    words.add_argument("-n", "--number", type=int, default=32)
    words.add_argument("--batch", type=int, default=16)
    args = words.parse_args()
    torch.manual_seed(0)
    model, bits = subject(args.source)
    codec = Codec(model, bits=bits)
    with torch.no_grad():
        x = run(model, prior(), n=args.number).x
    assert x is not None
    levels = (x * (2**bits - 1)).round().to(torch.uint8).numpy()
    book = codec.calibrate(levels[:16])
    coder = Coder(codec.model, ORDERS[best_order(model)], book, bits)
    batches = np.array_split(levels, -(-len(levels) // args.batch))
    work = cProfile.Profile(time.process_time)

    def encode(stack: Stack) -> None:
        work.clear()
        work.enable()
        try:
            for batch in batches:
                coder.encode(stack, batch)
        finally:
            work.disable()

    encode(Stack.start(np.arange(1 << 20, dtype=np.uint32)))  # the first time is not like the others
    stack = with_enough_noise(encode)
    tell(f"{args.source}, {coder.order.name}, encode", work, len(levels))
    work.clear()
    work.enable()
    back = [coder.decode(stack, len(batch)) for batch in reversed(batches)][::-1]
    work.disable()
    assert np.array_equal(np.concatenate(back), levels), "not lossless"
    tell(f"{args.source}, {coder.order.name}, decode", work, len(levels))


if __name__ == "__main__":
    main()
