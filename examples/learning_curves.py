"""How fast do models learn?  Validation bounds of several runs over the same clock.

    python examples/learning_curves.py RUN... --out FILE.png [--over seconds] [--above BITS]

Reads RUN/metrics.csv: minus the ELBO of the validation data in bits a dimension, against wall seconds of training or
steps.  Prints where each run stands when the first of them ends.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import hvae
from hvae.explore.theme import LIGHT

Curve = tuple[list[float], list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders")
    parser.add_argument("--out", required=True, help="the .png to write")
    parser.add_argument("--over", choices=("seconds", "step"), default="seconds", help="what the curves run along")
    parser.add_argument("--above", type=float, default=math.inf, help="leave out bits above it: the first steps")
    args = parser.parse_args()
    curves = {Path(run).name: curve(Path(run), args.over, args.above) for run in args.runs}
    Path(args.out).write_bytes(drawn(curves, args.over))
    end = min(at[-1] for at, _ in curves.values())
    for name, (at, bits) in curves.items():
        print(f"{name}: {np.interp(end, at, bits):.3f} bits/dim after {end:,.0f} ({args.over}), {bits[-1]:.3f} at last")


def curve(run: Path, over: str, above: float) -> Curve:
    """Seconds or steps, and bits a dimension there."""
    dims = math.prod(hvae.load(run).model.shape)
    with (run / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["valid/elbo"]]
    points = [(float(row[over]), -float(row["valid/elbo"]) / dims / math.log(2)) for row in rows]
    at, bits = zip(*(point for point in points if point[1] <= above), strict=True)
    return list(at), list(bits)


def drawn(curves: dict[str, Curve], over: str) -> bytes:
    with matplotlib.rc_context(LIGHT.style()):
        figure = Figure((7.6, 4.2), layout="constrained")
        axes = figure.subplots()
        for (name, (at, bits)), colour in zip(curves.items(), LIGHT.shades(len(curves)), strict=True):
            axes.plot(at, bits, "o-", color=colour, markersize=4, label=name)
        unit = "wall seconds of training" if over == "seconds" else "steps"
        axes.set(xlabel=unit, ylabel="minus the validation ELBO, bits/dim")
        axes.legend()
        out = io.BytesIO()
        FigureCanvasAgg(figure).print_png(out)
    return out.getvalue()


if __name__ == "__main__":
    main()
