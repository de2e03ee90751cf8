"""Coloured shapes with captions: a folder of pictures, a .txt beside each, whose classes are what a judge can name.

    python benchmarks/captions.py make FOLDER [--number 3600] [--positions 8] [--seed 0]
    hvae train photos-small --data.path FOLDER --data.captions beside --data.size 24,24 --data.flip false \\
        --model.condition.kind text --model.condition.drop 0.1 --model.groups 0,2,2,1 --train.batch 32 \\
        --train.steps 5000 --evaluate.measures likelihood,condition --out RUN
    hvae sample RUN --context text="a small red heart"
    python benchmarks/captions.py judge RUN [--guidance 1]         # colour and size of samples, told from their pixels
    python benchmarks/captions.py why RUN                          # where a word for a size is lost: code, bound, draws

A picture is one square, ellipse or heart, small or large, red, green, blue or yellow, somewhere on grey (with
`--positions 1` in its middle, which takes far less training); its folder is its colour and shape.  Its caption is one
of five sentences, which name the size or leave it out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from torch import Tensor

import hvae
from hvae.data.captions import tokens
from hvae.data.shapes import SHAPES, shapes
from hvae.draw import posterior
from hvae.runs.subject import open_run
from hvae.walk import run as run_walk
from hvae.walk import still

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
PIXELS, COLOURED = 6, 0.15
"""How many pixels tell the colour, and how far apart the channels of a coloured one are."""


DRAWS, QUANTILES = 4, (0.1, 0.25, 0.5, 0.75, 0.9)
OTHER = {"small": "large", "large": "small"}


def make(folder: Path, number: int, positions: int, seed: int) -> None:
    """Write so many pictures and captions, of shapes in so many places along each axis."""
    random = np.random.default_rng(seed)
    pictures = shapes(size=SIDE, scales=len(SCALES), orientations=4, positions=positions)
    places = random.integers(len(pictures.images), size=number)
    for i, place in enumerate(places):
        cover = pictures.images.levels([int(place)])[0, 0].numpy()[:, :, None] / 255  # (S, S, 1)
        shape, scale = (int(one) for one in pictures.factors[int(place)][:2])
        colour, names = str(random.choice(list(COLOURS))), list(SHAPES)
        light = GREY * (1 - cover) + np.array(COLOURS[colour]) * cover + random.normal(0, NOISE, (SIDE, SIDE, 3))
        at = folder / f"{colour}-{names[shape]}" / f"{i:05d}.png"
        at.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(np.rint(light), 0, 255).astype(np.uint8)).save(at)
        sentence = str(random.choice(SENTENCES)).format(size=SCALES[scale], colour=colour, shape=names[shape])
        at.with_suffix(".txt").write_text(sentence + "\n")


def colours(x: Tensor) -> Tensor:
    """The colour of each picture (N, 3, S, S) in [0, 1], (N,): that nearest to its most colourful pixels."""
    saturation = (x.amax(1) - x.amin(1)).flatten(1)  # (N, S S)
    at = saturation.topk(PIXELS, 1).indices[:, None].expand(-1, 3, -1)
    mean = x.flatten(2).gather(2, at).mean(2)  # (N, 3)
    return torch.cdist(mean, torch.tensor([*COLOURS.values()]) / 255).argmin(1)


def areas(x: Tensor) -> Tensor:
    """How many pixels of each picture are coloured, (N,)."""
    return ((x.amax(1) - x.amin(1)) > COLOURED).flatten(1).sum(1)


def words(texts: Sequence[str], names: Sequence[str]) -> Tensor:
    """Which of the names each text holds, -1 for none, (N,)."""
    return torch.tensor([next((k for k, name in enumerate(names) if name in text), -1) for text in texts])


def judge(run: Path, guidance: float) -> None:
    """Samples under the captions of the test data, and the same of the data themselves, judged by what captions say."""
    subject = open_run(run, {}, print)
    train, test = subject.images.train, subject.images.test
    assert train.captions and test.captions
    sizes, size_words = areas(train.pictures(range(len(train)))).float(), words(train.captions.texts, SCALES)
    middle = (sizes[size_words == 0].mean() + sizes[size_words == 1].mean()) / 2
    samples = hvae.sample(
        subject.run.model, len(test), context={"text": test.captions.tokens}, guidance=guidance, seed=0
    )
    for what, x in (("test data", test.pictures(range(len(test)))), ("samples", samples)):
        right = (colours(x) == words(test.captions.texts, list(COLOURS))).float()
        scale = words(test.captions.texts, SCALES)
        fits = ((areas(x) > middle).long() == scale)[scale >= 0].float()
        print(f"{what}: colour {right.mean():.1%} of {len(right)}, size {fits.mean():.1%} of {len(fits)}")


def why(run: Path) -> None:
    """Whether the code of a caption, the bound and the samples tell its size, each by itself."""
    subject = open_run(run, {}, print)
    model, train, test = subject.run.model, subject.images.train, subject.images.test
    form = subject.images.provenance.captions
    assert train.captions and test.captions and form
    sizes, sizes_train = words(test.captions.texts, SCALES), words(train.captions.texts, SCALES)
    places, places_train = (sizes >= 0).nonzero()[:, 0], (sizes_train >= 0).nonzero()[:, 0]
    with torch.no_grad():
        code = model.get_submodule("condition.code")
        codes, codes_train = code(test.captions.tokens[places]), code(train.captions.tokens[places_train])
    probe = LogisticRegression(max_iter=2000).fit(codes_train.numpy(), sizes_train[places_train].numpy())
    print(f"size from the code of the caption, linear: {probe.score(codes.numpy(), sizes[places].numpy()):.1%}")
    other = [" ".join(OTHER.get(word, word) for word in text.split()) for text in test.captions.texts]
    x, nats = test.pictures(places), []
    for text in (test.captions.tokens[places], tokens(other, form)[places]):
        with still(model, 0):
            evidence = model.evidence(x, {"text": text})
            nats.append(torch.stack([run_walk(model, posterior, evidence).elbo() for _ in range(DRAWS)]).mean(0))
    gain = nats[0] - nats[1]
    error = 1.96 * gain.std() / len(gain) ** 0.5
    share = (gain > 0).float().mean()
    print(f"ELBO, right size word less the other: {gain.mean():.1f} +- {error:.1f} nats, above 0 for {share:.0%}")
    samples = hvae.sample(model, len(test), context={"text": test.captions.tokens}, seed=0)
    for what, pictures in (("test data", test.pictures(range(len(test)))), ("samples", samples)):
        for k, name in enumerate(SCALES):
            counts = areas(pictures[sizes == k]).float().quantile(torch.tensor(QUANTILES))
            print(f"{what}, {name}: coloured pixels at {QUANTILES}: {', '.join(f'{count:.0f}' for count in counts)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "judge", "why"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--guidance", type=float, default=1.0)
    parser.add_argument("--number", type=int, default=3600)
    parser.add_argument("--positions", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.what == "make":
        make(args.folder, args.number, args.positions, args.seed)
    elif args.what == "why":
        why(args.folder)
    else:
        judge(args.folder, args.guidance)
