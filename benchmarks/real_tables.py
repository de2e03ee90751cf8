"""How well the gaps of real tables of numbers and names are filled: beside modes and means, and nearest neighbours.

    python benchmarks/real_tables.py FOLDER [--sets wine breast_cancer] [--seeds 0 1 2] [--steps 1000]

The sets come with scikit-learn; the class of a row is its column of names.  A third of the rows, drawn by the seed, is
filled by what has learnt from the others.  A fifth of all numbers and half of all names are empty, in both.  The share
of names that are right, and the root mean squared error of numbers in deviations of their columns (of the rows learnt
from), over the empty cells of the rows that are filled.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sklearn.datasets
from sklearn.impute import KNNImputer

import hvae
from hvae.data.tables import as_csv

CLASS = "class"


@dataclass(frozen=True, eq=False)
class Rows:
    """Numbers (N, D), names (N,) as 0 to K - 1, and which of both are empty, (N, D + 1)."""

    numbers: np.ndarray
    names: np.ndarray
    empty: np.ndarray

    @property
    def visible(self) -> np.ndarray:
        """Numbers and, last, one column a name, NaN where one is empty: (N, D + K)."""
        one_hot = np.eye(self.names.max() + 1)[self.names]
        return np.hstack(
            [np.where(self.empty[:, :-1], np.nan, self.numbers), np.where(self.empty[:, -1:], np.nan, one_hot)]
        )

    def write(self, path: Path) -> None:
        cells = [
            [*("" if gap else f"{number:.6g}" for number, gap in zip(numbers, gaps, strict=False)), name]
            for numbers, gaps, name in zip(
                self.numbers, self.empty, np.where(self.empty[:, -1], "", self._words), strict=True
            )
        ]
        path.write_text(as_csv([*(f"x{c}" for c in range(self.numbers.shape[1])), CLASS], cells))

    @property
    def _words(self) -> np.ndarray:
        return np.char.add("c", self.names.astype(str))


Filled = tuple[np.ndarray, np.ndarray]
"""Numbers (N, D) and names (N,)."""


def rows(name: str, seed: int) -> tuple[Rows, Rows]:
    """Those that are learnt from, in deviations of their columns from the mean, and those that are filled."""
    data, random = getattr(sklearn.datasets, f"load_{name}")(), np.random.default_rng(seed)
    order = random.permutation(len(data.data))
    numbers, names = data.data[order], data.target[order]
    empty = random.random((len(numbers), numbers.shape[1] + 1)) < np.r_[np.full(numbers.shape[1], 0.2), 0.5]
    first = 2 * len(numbers) // 3
    visible = np.where(empty[:first, :-1], np.nan, numbers[:first])
    numbers = (numbers - np.nanmean(visible, 0)) / np.nanstd(visible, 0)
    some, others = slice(first), slice(first, None)
    return Rows(numbers[some], names[some], empty[some]), Rows(numbers[others], names[others], empty[others])


def modes(old: Rows, new: Rows, folder: Path, steps: int) -> Filled:
    means = np.nanmean(old.visible, 0)
    width = new.numbers.shape[1]
    return np.broadcast_to(means[:width], new.numbers.shape), np.full(len(new.names), means[width:].argmax())


def neighbours(old: Rows, new: Rows, folder: Path, steps: int) -> Filled:
    values = KNNImputer(n_neighbors=5, weights="distance").fit(old.visible).transform(new.visible)
    width = new.numbers.shape[1]
    return values[:, :width], values[:, width:].argmax(1)


def ours(old: Rows, new: Rows, folder: Path, steps: int) -> Filled:
    """The preset `table` as it is: 32 draws by refinement; of numbers their mean, of names the commonest."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, some in (("old", old), ("new", new)):
        some.write(folder / f"{name}.csv")
    if not (run := folder / "run").exists():
        keys = {"data.path": str(folder / "old.csv"), "train.steps": steps, "train.accelerator": "cpu"}
        hvae.train("table", out=run, overrides={**keys, "evaluate.measures": "columns"})
    restoration = hvae.restore(run, folder / "new.csv", task="impute", draws=32, number=len(new.names))
    assert restoration.target.table is not None
    text = restoration.target.table.content(restoration.draws).decode()
    cells = np.genfromtxt(io.StringIO(text), delimiter=",", skip_header=1, dtype=str)
    return cells[:, :-1].astype(float), np.char.lstrip(cells[:, -1], "c").astype(int)


WAYS: dict[str, Callable[[Rows, Rows, Path, int], Filled]] = {
    "the commonest name, the mean of the column": modes,
    "scikit-learn's `KNNImputer` (5 neighbours, by distance)": neighbours,
    "preset `table`": ours,
}


def scores(new: Rows, filled: Filled) -> tuple[float, float]:
    """The share of names that are right, and the error of numbers in deviations, over empty cells."""
    numbers, names = filled
    gaps, unnamed = new.empty[:, :-1], new.empty[:, -1]
    right = float((names == new.names)[unnamed].mean())
    return right, float(np.sqrt(((numbers - new.numbers)[gaps] ** 2).mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", default=["wine", "breast_cancer"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1000)
    args = parser.parse_args()
    start = time.process_time()
    for name in args.sets:
        pairs = {seed: rows(name, seed) for seed in args.seeds}
        for title, way in WAYS.items():
            every = [
                scores(new, way(old, new, args.folder / f"{name}-{seed}", args.steps))
                for seed, (old, new) in pairs.items()
            ]
            right, errors = ([pair[i] for pair in every] for i in (0, 1))
            texts = (f"{statistics.mean(v):.3f} ({min(v):.3f} to {max(v):.3f})" for v in (right, errors))
            print(f"| {name} | {title} | {' | '.join(texts)} |", flush=True)
    print(f"{time.process_time() - start:.0f} s of the processor")


if __name__ == "__main__":
    main()
