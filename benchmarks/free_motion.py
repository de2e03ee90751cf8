"""Do free runs of a model of motion move as the recordings do: the variance of their velocities.

    python benchmarks/free_motion.py RUN --data.root DATA

The velocity of a number is its difference from one frame to the next, in standard deviations of the training frames.
Its variance is taken over all frames of all sequences, for each number by itself; shown are the mean and the median
over numbers, of the recordings of a split and of free runs (nothing is given to them, not a first frame), and their
ratio; then the same of draws under teacher forcing: each frame is drawn after the recorded ones before it, and the
velocity is that from the last recorded one.  The mean is moved by the few numbers that leap, the median is not.
Intervals are of 95 % over free runs, from 1,000 draws of as many of them with replacement.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from hvae.cli.words import split_dotted
from hvae.data import SequenceData
from hvae.datum import Datum
from hvae.draw import posterior
from hvae.explore.sequences import generate
from hvae.runs.subject import open_run
from hvae.walk import Model, run, still

Array = np.ndarray
AGAIN = 1000


def velocity_variance(moves: Sequence[Array]) -> Array:
    """Of each number, (D,), over all velocities (T, D) of some sequences."""
    return np.concatenate(moves).var(0)


def recordings(data: SequenceData, split: str) -> list[Tensor]:
    """Whole sequences (T, D), standardised."""
    part = getattr(data, split)
    return [part.batch([index]).x[0] for index in range(len(part))]


def forced(model: Model, x: Tensor, seed: int) -> Array:
    """Velocities (T - 1, D) of frames drawn after the recorded ones (T, D) before them."""
    with still(model, seed):
        trace = run(model, posterior, model.evidence(Datum(x[None])))
        law = trace["x"].p
        assert law is not None
        draws = law.sample()
    return (draws[0, 1:] - x[:-1]).numpy()


def row(name: str, variance: Array, of: Array, spread: str = "") -> str:
    """One line of the table."""
    mean, median = variance.mean() / of.mean(), np.median(variance) / np.median(of)
    numbers = f"{variance.mean():9.5f} {np.median(variance):9.5f}"
    return f"{name:24s} {numbers}   ratio to the recordings: mean {mean:.2f}, median {median:.2f}{spread}"


def interval(moves: Sequence[Array], of: Array, random: np.random.Generator) -> str:
    """Of both ratios, over sequences."""
    # Sums of each sequence hold all that a variance of several needs.
    sums = np.array([[one.sum(0), np.square(one).sum(0), np.full(one.shape[1], len(one))] for one in moves])
    again = sums[random.integers(len(sums), size=(AGAIN, len(sums)))].sum(1)  # (AGAIN, 3, D)
    variance = again[:, 1] / again[:, 2] - np.square(again[:, 0] / again[:, 2])
    ratios = variance.mean(1) / of.mean(), np.median(variance, axis=1) / np.median(of)
    return "; " + ", ".join("[{:.2f}, {:.2f}]".format(*np.quantile(one, (0.025, 0.975))) for one in ratios)


def main() -> None:
    rest, dotted = split_dotted(sys.argv[1:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders of motion")
    parser.add_argument("--split", default="valid")
    parser.add_argument("-n", "--number", type=int, default=32, help="free runs")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--temperature", type=float, default=1.0, help="of latents")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(rest)
    for folder in args.runs:
        subject = open_run(folder, dotted, print)
        assert isinstance(subject.data, SequenceData)
        model, recorded = subject.run.model, recordings(subject.data, args.split)
        of = velocity_variance([np.diff(one.numpy(), axis=0) for one in recorded])
        print(f"{folder}: {len(recorded)} recordings of {args.split}, {args.number} runs of {args.steps} frames")
        print(row("recordings", of, of))
        x = generate(model, args.number, args.steps, temperature=args.temperature, seed=args.seed).numpy()
        free = [np.diff(one, axis=0) for one in x]
        spread = interval(free, of, np.random.default_rng(args.seed))
        print(row("free runs", velocity_variance(free), of, spread))
        for title, part in (("first 100 frames", slice(0, 100)), ("last 100 frames", slice(-100, None))):
            print(row(f"  {title}", velocity_variance([one[part] for one in free]), of))
        draws = [forced(model, one, args.seed) for one in recorded]
        print(row("after recorded frames", velocity_variance(draws), of))
        print(f"largest of all numbers, in standard deviations: {np.abs(x).max():.1f}")


if __name__ == "__main__":
    main()
