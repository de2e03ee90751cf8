"""What it is worth to a model of sequences to be told a class: the same data told, not told, and told another.

    python benchmarks/condition_gain.py RUN --data.root DATA --draws 20

Each sequence of the test split (`--split valid`: of the other one) is scored by the importance-weighted bound of as
many draws under its own class, under none (-1, which is the model of the same weights without a condition), and under
the next class.  Differences are paired by sequence, in nats, with 95 % intervals of their means; the share of sequences
whose own class scores best among all classes is that of a classifier by Bayes' rule under equal classes.
"""

from __future__ import annotations

import argparse
import math
import sys

import torch
from torch import Tensor

from hvae.cli.words import split_dotted
from hvae.data import SequenceData, SequenceSplit
from hvae.datum import Datum
from hvae.draw import posterior
from hvae.metrics.results import estimate
from hvae.runs.subject import open_run
from hvae.walk import Model, run, still

ROWS = 20


def bound(model: Model, datum: Datum, labels: Tensor, draws: int) -> Tensor:
    """IW-K of sequences under given labels, in nats, (B,)."""
    evidence = model.evidence(datum, {"label": labels}).repeat(draws)
    log_w = run(model, posterior, evidence).log_weight().double().view(len(datum), draws)
    return log_w.logsumexp(1) - math.log(draws)


@torch.no_grad()
def bounds(model: Model, split: SequenceSplit, draws: int, seed: int) -> Tensor:
    """IW-K under no class, and under each of them, (N, 1 + K)."""
    count, rows = model.conditions["label"].classes, []
    with still(model, seed):
        for some in split.lengths.argsort(stable=True).split(ROWS):
            datum = split.batch(some)
            rows.append(
                torch.stack([bound(model, datum, torch.full((len(some),), k), draws) for k in range(-1, count)], 1)
            )
    return torch.cat(rows)


def line(name: str, nats: Tensor) -> str:
    """A mean with its interval."""
    mean = estimate(nats)
    return f"{name:<40} {mean.mean:10.3f}  [{mean.low95:.3f}, {mean.high95:.3f}]"


def main(words: list[str]) -> None:
    rest, overrides = split_dotted(words)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--split", default="test", choices=("valid", "test"))
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(rest)
    subject = open_run(options.run, overrides, print)
    data = subject.data
    assert isinstance(data, SequenceData)
    split: SequenceSplit = getattr(data, options.split)
    assert split.labels is not None
    labels = split.labels[split.lengths.argsort(stable=True)]
    every = bounds(subject.run.model, split, options.draws, options.seed)
    blind, by_class = every[:, 0], every[:, 1:]
    own = by_class.gather(1, labels[:, None])[:, 0]
    other = by_class.gather(1, (labels[:, None] + 1) % by_class.shape[1])[:, 0]
    print(f"{len(split)} sequences of {options.split}, IW-{options.draws}, nats a sequence, seed {options.seed}")
    print(line("told its class", own))
    print(line("not told", blind))
    print(line("told - not told, paired", own - blind))
    print(line("told - told the next class, paired", own - other))
    print(line("own class scores best, share", (by_class.argmax(1) == labels).double()))


if __name__ == "__main__":
    main(sys.argv[1:])
