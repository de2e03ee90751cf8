"""One picture of a run for a page: samples, the top level held, and the mirror.  Made from RUN/pictures.

python examples/contact_sheet.py RUN OUT.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

PANELS = {
    "samples.png": "samples: every level drawn",
    "top-held.png": "top level held, the rest redrawn 8 times",
    "top-redrawn.png": "the mirror: top redrawn, the rest held",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run folder with a report")
    parser.add_argument("out", help="the .png to write")
    args = parser.parse_args()
    figure = Figure(figsize=(15, 4.6), layout="constrained", facecolor="white")
    axes = figure.subplots(1, len(PANELS), width_ratios=[1.9, 1, 1])
    for ax, (name, caption) in zip(axes, PANELS.items(), strict=True):
        picture = Image.open(args.run / "pictures" / name).convert("RGBA")
        ax.imshow(Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture), interpolation="nearest")
        ax.set_title(caption, fontsize=11)
        ax.axis("off")
    figure.savefig(args.out, dpi=100)


if __name__ == "__main__":
    main()
