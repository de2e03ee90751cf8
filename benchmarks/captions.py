"""Coloured shapes with captions: a folder of pictures, a .txt beside each, whose classes are what a judge can name.

    python benchmarks/captions.py FOLDER [--number 3600] [--seed 0]
    hvae train photos-small --data.path FOLDER --data.captions beside --data.size 24,24 --data.flip false \\
        --model.condition.kind text --model.condition.drop 0.1 --model.groups 0,2,2,1 --train.batch 32 \\
        --train.steps 5000 --evaluate.measures likelihood,condition --out RUN
    hvae sample RUN --context text="a small red heart"

A picture is one square, ellipse or heart, small or large, red, green, blue or yellow, somewhere on grey; its folder is
its colour and shape.  Its caption is one of five sentences, which name the size or leave it out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from hvae.data.shapes import SHAPES, shapes

COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 80, 230), "yellow": (230, 210, 50)}
SCALES = ("small", "large")
SENTENCES = (
    "a {size} {colour} {shape}",
    "{colour} {shape}, {size}",
    "there is a {size} {shape}, it is {colour}",
    "a {colour} {shape}",
    "the {shape} is {colour}",
)
SIDE, GREY, NOISE = 24, 90, 4
"""Pixels a side, brightness of the ground, deviation of the noise."""


def make(folder: Path, number: int, seed: int) -> None:
    """Write so many pictures and captions."""
    random, drawn_shapes = np.random.default_rng(seed), shapes(size=SIDE, scales=len(SCALES), orientations=4)
    places = random.integers(len(drawn_shapes.images), size=number)
    for i, place in enumerate(places):
        cover = drawn_shapes.images.levels([int(place)])[0, 0].numpy()[:, :, None] / 255  # (S, S, 1)
        shape, scale = (int(one) for one in drawn_shapes.factors[int(place)][:2])
        colour, names = str(random.choice(list(COLOURS))), list(SHAPES)
        light = GREY * (1 - cover) + np.array(COLOURS[colour]) * cover + random.normal(0, NOISE, (SIDE, SIDE, 3))
        at = folder / f"{colour}-{names[shape]}" / f"{i:05d}.png"
        at.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(np.rint(light), 0, 255).astype(np.uint8)).save(at)
        sentence = str(random.choice(SENTENCES)).format(size=SCALES[scale], colour=colour, shape=names[shape])
        at.with_suffix(".txt").write_text(sentence + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--number", type=int, default=3600)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    make(args.folder, args.number, args.seed)
