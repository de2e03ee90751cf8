"""How near the filled cells of a table come: a generated one, against the means of its columns and ridge regressions.

    python benchmarks/tables.py FOLDER [--steps 1000]

Two Gaussian factors mixed into five columns of deviation 1 to 10, with noise of deviation 1; a fifth of the cells is
empty.  A model learns from 350 rows; the error is of the empty cells of 50 others, in the units of the columns.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  # its import is what makes the next one work
from sklearn.impute import IterativeImputer

import hvae
from hvae.data.tables import Table, read_cells, top_of

ROWS, NEW, COLUMNS, FACTORS, HIDDEN = 350, 50, 5, 2, 0.2
LIKELIHOODS: dict[str, dict[str, Any]] = {
    "gaussian-global": {"model.likelihood": "gaussian-global"},
    "gaussian, sigma 0.05": {"model.likelihood": "gaussian"},
    "gaussian, sigma 0.02": {"model.likelihood": "gaussian", "model.sigma": 0.02},
    "columns, sigma 0.05 (the preset)": {},
    "columns, sigma 0.02": {"model.sigma": 0.02},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=1000)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    whole, empty = generated()
    for name, rows in (("old", slice(ROWS)), ("new", slice(ROWS, None))):
        write(args.folder / f"{name}.csv", whole[rows], empty[rows])
    old, new = (numbers(read_cells(args.folder / f"{name}.csv")) for name in ("old", "new"))
    truth, gaps = whole[ROWS:], empty[ROWS:]

    def show(name: str, values: np.ndarray) -> None:
        print(f"| {name} | {np.sqrt(((values - truth)[gaps] ** 2).mean()):.2f} |", flush=True)

    show("means of the columns", np.nanmean(old, 0).repeat(NEW).reshape(COLUMNS, NEW).T)
    show("IterativeImputer", IterativeImputer(random_state=0, max_iter=100).fit(old).transform(new))
    for name, keys in LIKELIHOODS.items():
        show(name, filled(args.folder / name.split(" (")[0].replace(", ", "-").replace(" ", "-"), keys, args.steps))


def generated() -> tuple[np.ndarray, np.ndarray]:
    """The numbers of all rows, and which of them are empty; no row is empty altogether."""
    random, count = np.random.default_rng(0), ROWS + NEW
    factors, mix = random.normal(size=(count, FACTORS)), random.normal(size=(FACTORS, COLUMNS))
    numbers = factors @ mix * 10 + 50 + random.normal(size=(count, COLUMNS))
    empty = random.random((count, COLUMNS)) < HIDDEN
    empty[empty.all(1)] = False
    return numbers, empty


def numbers(table: Table) -> np.ndarray:
    """The cells, NaN where one is empty."""
    return np.array([[float(cell or "nan") for cell in row] for row in table.cells])


def write(path: Path, numbers: np.ndarray, empty: np.ndarray) -> None:
    cells = np.where(empty, "", np.char.mod("%.3f", numbers))
    names = ",".join("abcde"[:COLUMNS])
    path.write_text("\n".join([names, *(",".join(row) for row in cells)]) + "\n")


def filled(run: Path, keys: dict[str, Any], steps: int) -> np.ndarray:
    """The new table with its gaps at the mean of 32 draws."""
    if not run.exists():
        own = {"data.path": str(run.parent / "old.csv"), "train.steps": steps, "train.accelerator": "cpu"}
        hvae.train("table", out=run, overrides={**own, "evaluate.measures": "activity", **keys})
    restoration = hvae.restore(run, run.parent / "new.csv", task="impute", draws=32, number=NEW)
    assert restoration.target.table is not None
    columns, top = restoration.target.table.coded.columns.values(), top_of(16)
    means = restoration.mean.double().numpy()
    return np.stack([column.numbers(means[:, c], top) for c, column in enumerate(columns)], 1)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
