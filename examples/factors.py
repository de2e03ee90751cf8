"""Which level carries which factor?  A heat map and a Markdown table of runs that know the factors of their data.

    hvae evaluate RUN --evaluate.measures disentanglement      # of each run, first
    python examples/factors.py RUN... --out FOLDER

Writes FOLDER/factors.md and FOLDER/factors.png.  A cell is what a forest tells of a factor from the codes of a level
alone: (accuracy - chance) / (1 - chance), chance being the most frequent value; 100 % is every value of every datum.
What two levels both tell counts for both, so the columns add up to anything.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hvae.errors import HvaeError
from hvae.explore.theme import LIGHT

_DARK = 0.45


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders that were evaluated with disentanglement")
    parser.add_argument("--out", required=True, help="folder to write to")
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    results = {Path(run).name: measured(Path(run)) for run in args.runs}
    (out / "factors.md").write_text(table(results))
    (out / "factors.png").write_bytes(drawn(results))
    print(table(results), end="")


def measured(run: Path) -> dict[str, Any]:
    """What an evaluation has found of the factors.  Raises HvaeError when none has."""
    path = run / "evaluation.json"
    record = json.loads(path.read_text()) if path.is_file() else {}
    if not record.get("disentanglement"):
        raise HvaeError(f"{run} has no disentanglement; run: hvae evaluate {run} --evaluate.measures disentanglement")
    result: dict[str, Any] = record["disentanglement"]
    return result


def table(results: dict[str, dict[str, Any]]) -> str:
    """One row a level, the top level of each run first."""
    names = list(dict.fromkeys(name for result in results.values() for name in result["factors"]))
    rows = [["run", "level", *names, "MIG", "DCI d", "SAP", "FactorVAE"]]
    for run, result in results.items():
        for level, one in result["levels"].items():
            cells = [f"{one['carries'].get(name, 0):.0%}" for name in names]
            scores = [f"{one[key]:.2f}" for key in ("mig", "dci_disentanglement", "sap", "factor_vae")]
            rows.append([run, level, *cells, *scores])
    rows.insert(1, ["---"] * len(rows[0]))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def drawn(results: dict[str, dict[str, Any]]) -> bytes:
    """A heat map for each run, as a PNG."""
    with matplotlib.rc_context({**LIGHT.style(), "axes.grid": False}):
        heights = [len(result["levels"]) for result in results.values()]
        figure = Figure((7.6, 0.9 * len(results) + 0.5 * sum(heights)), layout="constrained")
        axes = figure.subplots(len(results), 1, squeeze=False, height_ratios=heights)[:, 0]
        for place, (run, result) in zip(axes, results.items(), strict=True):
            heat(place, run, result)
        out = io.BytesIO()
        FigureCanvasAgg(figure).print_png(out)
    return out.getvalue()


def heat(axes: Axes, run: str, result: dict[str, Any]) -> None:
    names, levels = list(result["factors"]), list(result["levels"])
    shares = np.array([[result["levels"][level]["carries"][name] for name in names] for level in levels])
    axes.imshow(shares, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        colour = "white" if share < _DARK else "black"
        axes.text(column, row, f"{share:.0%}", ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(levels)), levels)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{run}: share of each factor that a level tells")


if __name__ == "__main__":
    main()
