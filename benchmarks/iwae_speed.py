"""What IWAE-K costs over K forward passes of the decoder.

    python benchmarks/iwae_speed.py RUN [--data 4] [--samples 1000] [--rows 1000] [--rounds 7]    a trained run
    python benchmarks/iwae_speed.py cifar10-small ...                 a preset without training: the same work

Four things are timed on the same data, in chunks of the same rows, on one thread, in rounds that alternate:

    bound       IW-K as `hvae evaluate` computes it: evidence once, draws, scores of every level, their sums
    scored      passes of the decoder with the evidence at hand, and log p(x given z) of each: what no estimator spares
    passes      the same without log p(x given z)
    generation  the generative networks alone, from latents that are given: no posterior, no draw

A pass of the decoder is that of the walk: a top-down model infers as it generates, so that no new draw can be had
without its posterior networks, and `generation` is a floor that only a model without them could reach.

Processor time is compared, and of each the quickest round: on a busy machine that is the one least disturbed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from codec_speed import subject
from torch import Tensor

from hvae.draw import Draw, Drawn, posterior, prior
from hvae.metrics.draws import chunks
from hvae.metrics.likelihood import bounds
from hvae.site import Pin, Site, pin
from hvae.walk import Model, run


@dataclass(frozen=True, eq=False)
class Known(Draw):
    """Every variable from an earlier walk, scored against nothing."""

    values: dict[Pin, Tensor]

    def __call__(self, site: Site) -> Drawn:
        return Drawn(self.values[pin(site.key)], None)


class Work:
    """The same draws, four ways."""

    def __init__(self, model: Model, x: Tensor, samples: int, rows: int) -> None:
        self.model, self.x, self.samples, self.rows = model, x, samples, rows
        self.evidence = model.evidence(x)
        self.values = {k: run(model, posterior, self.evidence.repeat(k)).values() for k in set(self.chunks)}

    @property
    def chunks(self) -> list[int]:
        return chunks(self.samples, self.rows // len(self.x))

    def bound(self) -> None:
        bounds(self.model, [self.x], self.samples, chunk_rows=self.rows)

    def scored(self) -> None:
        for k in self.chunks:
            run(self.model, posterior, self.evidence.repeat(k)).log_likelihood()

    def passes(self) -> None:
        for k in self.chunks:
            run(self.model, posterior, self.evidence.repeat(k))

    def generation(self) -> None:
        for k in self.chunks:
            run(self.model, Known(self.values[k]), n=k * len(self.x))


def seconds(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subject", metavar="RUN")
    for name, value in (("data", 4), ("samples", 1000), ("rows", 1000), ("rounds", 7)):
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, _ = subject(args.subject)
    with torch.no_grad():
        x = run(model.eval(), prior(), n=args.data).x
        work = Work(model, x, args.samples, args.rows)
        times: dict[str, list[float]] = {name: [] for name in ("bound", "scored", "passes", "generation")}
        for _ in range(args.rounds):
            for name, taken in times.items():
                taken.append(seconds(getattr(work, name)))
    best = {name: min(taken) for name, taken in times.items()}
    print(f"IW-{args.samples} of {args.data} data, {args.rows} rows at once, best of {args.rounds} rounds")
    for name, least in best.items():
        print(f"{name:>11} {least:8.3f} s   bound / {name} {best['bound'] / least:.3f}")


if __name__ == "__main__":
    main()
