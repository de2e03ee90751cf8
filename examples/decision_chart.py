"""Do I need a hierarchy?  Draws the chart of docs/do_i_need_a_hierarchy.md.

    python examples/decision_chart.py --out docs/pictures/do-i-need-a-hierarchy.svg

Questions go down the left until one is answered with yes; the answer stands beside it.  .svg or .png.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hvae.explore.theme import LIGHT

CHART = (
    (
        "Only samples or only a likelihood:\nno latents wanted?",
        "likelihood: pixelcnn, exact\nsamples: a diffusion model",
        False,
    ),
    ("Is one short vector a datum enough\n(clusters, a few factors, a small set)?", "vae, flat", False),
    ("Tokens for another model?", "vqvae; vqvae2 for two scales", True),
    (
        "Sequences: music, text, motion, sound?",
        "vrnn, srnn, dmm; one latent for all: vrae\ntwo paces and more: cwvae",
        True,
    ),
    (
        "Small files, which may get better\nlevel by level?",
        "with loss: qresvae\nwithout: ladder, or markov by Bit-Swap",
        True,
    ),
    (
        "Levels to hold, redraw, score or probe;\ngaps to fill; one core or one GPU?",
        "ladder, the default\nnvae or vdvae, small",
        True,
    ),
    ("Published likelihoods, weeks of GPUs?", "vdvae, nvae: import their weights first", True),
)
"""Questions, the answer to yes, and whether that is a hierarchy or has codes."""
LAST = "Then begin with the flat vae, and measure"
WIDTH, HEIGHT, GAP, ANSWER = 4.5, 0.86, 0.5, 5.4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="the .svg or .png to write")
    args = parser.parse_args()
    # Named glyphs and no date: the same file every time.
    with matplotlib.rc_context({**LIGHT.style(), "svg.hashsalt": "hvae", "savefig.transparent": False}):
        stamp = {"Date": None} if Path(args.out).suffix == ".svg" else {}
        drawn().savefig(args.out, facecolor="white", metadata=stamp)


def drawn() -> Figure:
    rows = len(CHART) + 1
    figure = Figure((10.4, rows * (HEIGHT + GAP) * 0.75), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.1, ANSWER + WIDTH + 0.1), ylim=(-rows * (HEIGHT + GAP) + GAP - 0.1, 0.1))
    axes.axis("off")
    for row, (question, answer, hierarchy) in enumerate(CHART):
        top = -row * (HEIGHT + GAP)
        box(axes, 0, top, question, LIGHT.quiet)
        box(axes, ANSWER, top, answer, LIGHT.first if hierarchy else LIGHT.second)
        arrow(axes, (WIDTH, top - HEIGHT / 2), (ANSWER, top - HEIGHT / 2), "yes", (0.0, 0.13))
        arrow(axes, (WIDTH / 2, top - HEIGHT), (WIDTH / 2, top - HEIGHT - GAP), "no", (0.22, 0.0))
    box(axes, 0, -(rows - 1) * (HEIGHT + GAP), LAST, LIGHT.second)
    key = "blue: a hierarchy, a chain or codes; orange: none"
    axes.text(
        ANSWER + WIDTH / 2, -(rows - 1) * (HEIGHT + GAP) - HEIGHT / 2, key, color=LIGHT.quiet, ha="center", va="center"
    )
    return figure


def box(axes: Axes, left: float, top: float, text: str, colour: str) -> None:
    frame = matplotlib.patches.FancyBboxPatch(
        (left, top - HEIGHT),
        WIDTH,
        HEIGHT,
        boxstyle="round,pad=0,rounding_size=0.12",
        fill=False,
        edgecolor=colour,
        linewidth=1.6,
    )
    axes.add_patch(frame)
    axes.text(left + WIDTH / 2, top - HEIGHT / 2, text, ha="center", va="center", color=LIGHT.ink)


def arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], word: str, aside: tuple[float, float]
) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": LIGHT.quiet, "shrinkA": 0, "shrinkB": 0})
    middle = [(a + b) / 2 + off for a, b, off in zip(start, end, aside, strict=True)]
    axes.text(*middle, word, ha="center", va="center", color=LIGHT.quiet)


if __name__ == "__main__":
    main()
