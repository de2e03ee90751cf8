"""Two runs on the same test sequences: FIVO-K of the first against IW-K of the second, sequence by sequence.

    python benchmarks/particle_bounds.py RUN_BY_FIVO RUN_BY_IWAE --samples 8 --root DATA

Both bounds of both runs, by the frame average with 95 % intervals over the choice of sequences, and the differences of
pairs, which take the difficulty of each sequence out.  Every bound is the mean of so many draws of it, since the bound
of a few samples is noisy.
"""

from __future__ import annotations

import argparse
import math

import torch
from torch import Tensor

from hvae.draw import posterior
from hvae.metrics import filtered
from hvae.metrics.evaluating import seen
from hvae.metrics.results import ratio
from hvae.runs.subject import open_run
from hvae.walk import Evidence, Model, run, still


def importance(model: Model, evidence: Evidence, samples: int) -> Tensor:
    """IW-K in nats, (B,)."""
    log_w = run(model, posterior, evidence.repeat(samples)).log_weight().view(-1, samples)
    return log_w.logsumexp(1) - math.log(samples)


BOUNDS = {"FIVO": filtered, "IW": importance}


def measured(folder: str, root: str, samples: int, draws: int) -> tuple[dict[str, Tensor], Tensor]:
    """Minus each bound of a run in nats, (N,), by name, and the steps of each sequence, (N,)."""
    subject = open_run(folder, {"data.root": root}, print)
    sums: dict[str, list[Tensor]] = {name: [] for name in BOUNDS}
    with still(subject.run.model, 0):
        for evidence in seen(subject.run.model, subject.split.batches(128 // samples)):
            for name, bound in BOUNDS.items():
                each = [bound(subject.run.model, evidence, samples) for _ in range(draws)]
                sums[name].append(-torch.stack(each).mean(0))
    return {name: torch.cat(parts).double() for name, parts in sums.items()}, subject.split.lengths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs=2)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--root", default="")
    args = parser.parse_args()
    nats = {}
    for folder in args.runs:
        result, steps = measured(folder, args.root, args.samples, args.draws)
        for name, each in result.items():
            nats[folder, name] = each
            print(f"{folder} -{name}-{args.samples}: {ratio(each, steps)} nats a step")
    first, second = args.runs
    for one, other in ((first, second), (first, first), (second, second)):
        print(f"-FIVO of {one} less -IW of {other}: {ratio(nats[one, 'FIVO'] - nats[other, 'IW'], steps)} nats a step")


if __name__ == "__main__":
    main()
