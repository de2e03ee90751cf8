"""What do counts alone make of pictures?  The simplest baseline of a table of bounds: every value of every place alone.

    python benchmarks/counted.py PRESET [--limit N] [--data.root FOLDER]

The probability of a value at a place is how often it was there among the training pictures, with one half added to
every count (Krichevsky and Trofimov 1981); the values of a picture are taken for independent.  Bits a dimension and
nats a picture, each with its 95 % interval, over the test pictures that an evaluation with the same limit scores.
"""

from __future__ import annotations

import argparse
from math import log

import numpy as np

from hvae.config.presets import PRESETS
from hvae.data import load, subset
from hvae.data.images import Split

ADDED = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", choices=PRESETS, metavar="PRESET")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--data.root", dest="root", default="")
    args = parser.parse_args()
    data = load(PRESETS[args.preset].make().override({"data.root": args.root}).data)
    train, test = values(data.train, 0), values(data.test, args.limit)
    nats = surprise(counts(train, 2**data.bits), test)
    mean, error = nats.mean(), 1.96 * nats.std(ddof=1) / len(nats) ** 0.5
    bits = 1 / log(2) / test.shape[1]
    print(
        f"{args.preset}: {mean * bits:.3f} [{(mean - error) * bits:.3f}, {(mean + error) * bits:.3f}] bits/dim, ",
        end="",
    )
    print(f"{mean:.1f} [{mean - error:.1f}, {mean + error:.1f}] nats of {len(test):,} test pictures")


def values(split: Split, limit: int) -> np.ndarray:
    """The pictures as rows of integers (N, D)."""
    levels = split.levels(subset(len(split), limit or len(split)))
    return levels.flatten(1).numpy()


def counts(train: np.ndarray, number: int) -> np.ndarray:
    """How often each of so many values stands at each place (D, number)."""
    return np.stack([np.bincount(column, minlength=number) for column in train.T])


def surprise(table: np.ndarray, test: np.ndarray) -> np.ndarray:
    """-log p of each picture (N,), in nats."""
    tables = table + ADDED
    logs = np.log(tables) - np.log(tables.sum(1, keepdims=True))
    return -sum(row[column] for row, column in zip(logs, test.T, strict=True))


if __name__ == "__main__":
    main()
