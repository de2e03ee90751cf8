"""How the time of the codec is shared: networks, tables of masses, the entropy coder itself.

    python benchmarks/codec_speed.py RUN [-n 64] [--batch 16]      a trained run, on data drawn from it
    python benchmarks/codec_speed.py cifar10-small                 a preset without training: the same work
    python benchmarks/codec_speed.py cifar10-small --rounds 11     one step, decoded with and without the memory of its
                                                                   first walk, in turns; both must give the same bits

Processor time on one thread, by the profiler; wall time on a busy machine says little.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from unittest.mock import patch

import numpy as np
import torch

from hvae.checkpoints import load
from hvae.coding.entropy.stack import Stack
from hvae.coding.files.classic import Levels
from hvae.coding.lossless import bitsback
from hvae.coding.lossless.codec import Codec
from hvae.coding.lossless.coder import ORDERS, Coder, best_order, with_enough_noise
from hvae.coding.lossless.recall import MOST, Memory
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


def turns(coder: Coder, levels: Levels, rounds: int) -> None:
    """What decoding a step takes with the memory of its first walk and without it, and coding it beside them."""
    stack = with_enough_noise(lambda stack: coder.encode(stack, levels))
    times: dict[str, list[float]] = {"encode": [], "again": [], "recalled": []}
    for number in range(rounds):
        times["encode"].append(seconds(partial(coder.encode, stack.copy(), levels)))
        ends = {"again": stack.copy(), "recalled": stack.copy()}
        for side, end in sorted(ends.items(), reverse=bool(number % 2)):
            with patch.object(bitsback, "Memory", partial(Memory, most=MOST if side == "recalled" else 0)):
                times[side].append(seconds(partial(coder.decode, end, len(levels))))
        assert np.array_equal(ends["again"].words(), ends["recalled"].words()), "other bits"
    for name, spent in times.items():
        print(f"{name:10s} {1e3 * median(spent) / len(levels):7.2f} ms an image")
    rows = list(zip(*times.values(), strict=True))
    print("decode   ", shown([again / recalled for _, again, recalled in rows]), "times as fast by recalling")
    print("both ways", shown([(a + b) / (a + c) for a, b, c in rows]))


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def shown(ratios: list[float]) -> str:
    low, middle, high = quantiles(ratios, n=4)
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("source")
    words.add_argument("-n", "--number", type=int, default=32)
    words.add_argument("--batch", type=int, default=16)
    words.add_argument("--rounds", type=int, default=0)
    args = words.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model, bits = subject(args.source)
    codec = Codec(model, bits=bits)
    with torch.no_grad():
        x = run(model, prior(), n=args.number).x
    assert x is not None
    levels = (x * (2**bits - 1)).round().to(torch.uint8).numpy()
    book = codec.calibrate(levels[:16])
    coder = Coder(codec.model, ORDERS[best_order(model)], book, bits)
    if args.rounds:
        return turns(coder, levels[: args.batch], args.rounds)
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
