"""How models walk: order of visits and shapes, read from models that are built, not drawn by hand.

    python examples/diagrams.py --out docs/pictures

Writes walks.svg (a flat VAE, a chain inferred upwards, a ladder with its scales) and residual-cell.svg (the cell of
NVAE's way down, layer by layer).  Numbers are the order of the visits; a map is as wide as its side, a vector is a bar.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor, nn

import hvae
from hvae.draw import posterior
from hvae.explore.theme import LIGHT
from hvae.nn.cell import BRANCH, inverted
from hvae.nn.kernels import PlainConv

WALKS = {
    "mnist-static-vae": "flat: encoder, one latent, decoder",
    "mnist-static-markov": "a chain: latents up, then down",
    "mnist-static-ladder": "a ladder: features up, levels down",
}
UP, DOWN, HIGH, STEP = 1.0, 3.4, 0.62, 1.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder of the two files")
    folder = Path(parser.parse_args().out)
    with matplotlib.rc_context({**LIGHT.style(), "svg.hashsalt": "hvae", "savefig.transparent": False}):
        for name, figure in (("walks", walks()), ("residual-cell", cell())):
            figure.savefig(folder / f"{name}.svg", facecolor="white", metadata={"Date": None})


def walks() -> Figure:
    figure = Figure((13.2, 6.2), layout="constrained")
    for axes, (preset, title) in zip(figure.subplots(1, len(WALKS)), WALKS.items(), strict=True):
        model = hvae.build(hvae.preset(preset).model, shape=(1, 28, 28), bits=1).eval()
        evidence = model.evidence(torch.zeros(1, 1, 28, 28))
        walk(axes, evidence.features, hvae.run(model, posterior, evidence))
        axes.set_title(f"{title}\n{preset}", loc="left")
    return figure


def walk(axes: Axes, features: dict[str, Tensor], trace: hvae.Trace) -> None:
    """The features on the left, the levels on the right, top first; the data below."""
    names = sorted((record.name for record in trace.latents), reverse=True)
    climbs = len(names) > len(features)
    for row, name in enumerate([*names, "x"]):
        y = -STEP * row
        box(axes, DOWN, y, label(name, trace), trace[name].value)
        axes.annotate(order(name, trace), (DOWN + 1.25, y), va="center", color=LIGHT.quiet, fontsize=9)
        if name in features:
            box(axes, UP, y, f"features\n{size(features[name])}", features[name])
            arrow(axes, (UP + half(features[name]), y), (DOWN - half(trace[name].value), y))
            arrow(axes, (UP, y - STEP + HIGH / 2), (UP, y - HIGH / 2))
        if name != "x":
            arrow(axes, (DOWN, y - HIGH / 2), (DOWN, y - STEP + HIGH / 2))
        if climbs and name not in ("x", names[-1]):
            arrow(axes, (DOWN - 0.35, y - STEP + HIGH / 2), (DOWN - 0.35, y - HIGH / 2))
    y = -STEP * len(names)
    box(axes, UP, y, f"x\n{size(trace.x)}", trace.x)
    axes.set(xlim=(-0.1, 6.0), ylim=(-STEP * 5 - HIGH, HIGH))
    axes.axis("off")


def order(name: str, trace: hvae.Trace) -> str:
    """When a variable is visited, and which side of it is then known."""
    keys = [key[0] for key, _ in trace.visits]
    starts = [i for i, key in enumerate(keys) if i == 0 or keys[i - 1] != key]
    sides = {
        number: "".join(side for key, side in trace.visits[start:end])
        for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(keys)], strict=True), 1)
        if keys[start] == name
    }
    return ", ".join(f"visit {number}: {' and '.join(both)}" for number, both in sides.items())


def label(name: str, trace: hvae.Trace) -> str:
    return f"{name}\n{size(trace[name].value)}"


def size(t: Tensor | None) -> str:
    assert t is not None
    return " x ".join(str(n) for n in t.shape[1:])


def half(t: Tensor) -> float:
    """Half the width of a box: a map by its side, a vector always the same."""
    return 0.42 + 0.02 * t.shape[-1] if t.ndim > 2 else 0.55


def box(axes: Axes, x: float, y: float, text: str, t: Tensor) -> None:
    colour = LIGHT.second if text.startswith("x") else LIGHT.first if text.startswith("z") else LIGHT.quiet
    frame = {"boxstyle": "round,pad=0,rounding_size=0.08", "fill": False, "edgecolor": colour, "linewidth": 1.5}
    axes.add_patch(FancyBboxPatch((x - half(t), y - HIGH / 2), 2 * half(t), HIGH, **frame))
    axes.text(x, y, text, ha="center", va="center", color=LIGHT.ink, fontsize=9)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": LIGHT.quiet, "shrinkA": 0, "shrinkB": 0})


def cell(channels: int = 32) -> Figure:
    """The residual cell of NVAE's way down, top to bottom: its layers with their channels, the gate, the way around."""
    built = inverted(channels, 6, gated=True).train()
    h = torch.zeros(2, channels, 8, 8)
    rows = [("h", h)]
    for layer in built.branch.children():
        rows.append((described(layer), layer(rows[-1][1])))
    gate = f"times a gate of each channel (means, {built.gate.squeeze.out_features}, sigmoid)"
    rows += [(gate, rows[-1][1]), (f"h + {BRANCH} times it", h)]
    figure = Figure((6.6, 0.62 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for row, (text, out) in enumerate(rows):
        line(axes, -row, text, out.shape[1], LIGHT.second if row in (0, len(rows) - 1) else LIGHT.first)
    for row in range(len(rows) - 1):
        arrow(axes, (0, -row - 0.32), (0, -row - 0.68))
    axes.plot([2.2, 2.9, 2.9], [0, 0, 1 - len(rows)], color=LIGHT.quiet)
    arrow(axes, (2.9, 1 - len(rows)), (2.2, 1 - len(rows)))
    axes.text(2.98, (1 - len(rows)) / 2, "the way around", rotation=90, va="center", color=LIGHT.quiet)
    axes.set(xlim=(-3.3, 3.4), ylim=(0.4 - len(rows), 0.45))
    axes.axis("off")
    return figure


def line(axes: Axes, y: float, text: str, channels: int, colour: str) -> None:
    frame = {"boxstyle": "round,pad=0,rounding_size=0.08", "fill": False, "edgecolor": colour, "linewidth": 1.5}
    axes.add_patch(FancyBboxPatch((-2.2, y - 0.32), 4.4, 0.64, **frame))
    axes.text(0, y, text, ha="center", va="center", color=LIGHT.ink, fontsize=9)
    axes.text(-2.3, y, f"{channels} channels", ha="right", va="center", color=LIGHT.quiet, fontsize=9)


def described(layer: nn.Module) -> str:
    """A layer in words: what it is, and how it looks around."""
    if not isinstance(layer, PlainConv):
        return {"BatchNorm2d": "batch norm", "SiLU": "SiLU"}[type(layer).__name__]
    side = layer.weight.shape[-1]
    alone = ", each channel alone" if layer.weight.shape[1] == 1 else ""
    return f"convolution {side} x {side}{alone}"


if __name__ == "__main__":
    main()
