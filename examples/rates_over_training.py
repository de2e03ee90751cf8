"""Do upper levels collapse, and when?  The nats of each level on validation data, over training, of several runs.

    python examples/rates_over_training.py RUN... [--out FILE.png] [--rows 5]

Reads RUN/metrics.csv (one row a validation).  Prints a table of `--rows` moments; `--out` draws one panel a run.
"""

from __future__ import annotations

import argparse
import csv
import io
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hvae.explore.theme import LIGHT

Rows = list[dict[str, str]]
RATE = "valid/rate/"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders")
    parser.add_argument("--out", default="", help="the .png to write")
    parser.add_argument("--rows", type=int, default=5, help="moments of training in the table (default: 5)")
    args = parser.parse_args()
    runs = {Path(run).name: validations(Path(run)) for run in args.runs}
    for name, rows in runs.items():
        print(f"{name}\n{table(rows, args.rows)}")
    if args.out:
        Path(args.out).write_bytes(drawn(runs))


def validations(run: Path) -> Rows:
    with (run / "metrics.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["valid/elbo"]]


def levels(rows: Rows) -> list[str]:
    """Top first, as the file has them."""
    return [column for column in rows[0] if column.startswith(RATE)]


def table(rows: Rows, count: int) -> str:
    some = rows if len(rows) <= count else [rows[(len(rows) - 1) * i // (count - 1)] for i in range(count)]
    head = f"{'step':>8} {'-ELBO':>8}" + "".join(f"{column.removeprefix(RATE):>8}" for column in levels(rows))
    lines = [
        f"{row['step']:>8} {-float(row['valid/elbo']):8.2f}" + "".join(f"{float(row[c]):8.2f}" for c in levels(rows))
        for row in some
    ]
    return "\n".join([head, *lines])


def drawn(runs: dict[str, Rows]) -> bytes:
    with matplotlib.rc_context(LIGHT.style()):
        figure = Figure((2.6 * len(runs) + 0.6, 3.2), layout="constrained")
        panels = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
        for axes, (name, rows) in zip(panels, runs.items(), strict=True):
            steps = [int(row["step"]) for row in rows]
            for column, colour in zip(levels(rows), LIGHT.shades(len(levels(rows))), strict=True):
                nats = [float(row[column]) for row in rows]
                axes.plot(steps, nats, "o-", color=colour, markersize=3, label=column.removeprefix(RATE))
            axes.set(title=name, xlabel="step")
            axes.set_yscale("symlog", linthresh=1)  # a collapsed level lies at 0, which a logarithm has not
        panels[0].set_ylabel("nats, validation data")
        panels[-1].legend()
        out = io.BytesIO()
        FigureCanvasAgg(figure).print_png(out)
    return out.getvalue()


if __name__ == "__main__":
    main()
