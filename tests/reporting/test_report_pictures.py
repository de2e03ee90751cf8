from __future__ import annotations

import io

import pytest
import torch
from PIL import Image
from toys import GREY, RGB, Chain, Ladder, images

from hvae.config.condition import ConditionConfig
from hvae.config.model import VAEConfig
from hvae.datum import Datum
from hvae.errors import HvaeError
from hvae.reporting import pictures
from hvae.reporting.samples import Samples
from hvae.walk import Model
from hvae.zoo import build

NAMES = [
    "samples.png",
    "temperatures.png",
    "reconstructions.png",
    "top-levels.png",
    "top-held.png",
    "top-redrawn.png",
    "top-swapped.png",
    "traversal-z3.png",
    "traversal-z2.png",
    "traversal-z1.png",
]


@pytest.mark.parametrize("model", [Ladder(GREY), Chain(GREY), Ladder(RGB)], ids=["ladder", "chain", "rgb"])
def test_every_experiment_with_words(model: Model) -> None:
    drawn = pictures(model, images(model.shape, 12), temperatures=(1.0, 0.5))
    assert [picture.filename for picture in drawn] == NAMES
    for picture in drawn:
        assert Image.open(io.BytesIO(picture.png)).width > 300
        assert picture.title and picture.alt and picture.caption.endswith(".")


def test_the_mirror_says_when_nothing_can_change() -> None:
    captions = {
        kind: next(p.caption for p in pictures(kind(GREY), images(GREY)) if p.filename == "top-redrawn.png")
        for kind in (Ladder, Chain)
    }
    assert "Nothing does here" in captions[Chain] and "Nothing does here" not in captions[Ladder]


def test_the_seed_decides() -> None:
    a, b, c = (pictures(Chain(GREY), images(GREY), seed=seed) for seed in (1, 1, 2))
    assert [p.png for p in a] == [p.png for p in b]
    assert a[0].png != c[0].png


def test_progress_counts_up() -> None:
    heard: list[tuple[int, int, str]] = []
    pictures(Ladder(GREY), images(GREY), progress=lambda *now: heard.append(now))
    assert [done for done, _, _ in heard] == list(range(len(heard)))
    assert heard[-1] == (8, 8, "done")


def test_two_images_are_enough_and_held_levels_are_named() -> None:
    drawn = {p.filename: p for p in pictures(Ladder(GREY), images(GREY, 2), top=2)}
    assert "the top 2 levels (z3 and z2)" in drawn["top-held.png"].caption
    assert drawn["traversal-z2.png"].caption == "z3 held, z2 moves, z1 free."


def test_one_image_leaves_the_samples_alone() -> None:
    assert {p.section for p in pictures(Chain(GREY), images(GREY, 1))} == {"samples"}


def test_classes_are_called_by_their_names() -> None:
    told = VAEConfig(latent=2, widths=(8,), condition=ConditionConfig(kind="class", classes=3))
    model, names = build(told, GREY, 1), ("cat", "a dog of a very long name")
    datum = Datum(images(GREY, 1), context={"label": torch.zeros(1, dtype=torch.long)})
    known = Samples(model, datum, (1.0,), 0, titles=names)
    assert [known.title(label) for label in range(3)] == [*names, "2"], "a model may know more classes than have names"
    drawn = [{p.filename: p.png for p in pictures(model, datum, classes=some)} for some in ((), names)]
    plain, named = (Image.open(io.BytesIO(one["samples-by-class.png"])).width for one in drawn)
    assert named > plain + 100


def test_bad_input() -> None:
    with pytest.raises(HvaeError, match="between 0 and 3 top levels"):
        pictures(Ladder(GREY), images(GREY), top=4)
    with pytest.raises(HvaeError, match=r"expected images \(N, C, H, W\)"):
        pictures(Ladder(GREY), torch.zeros(4, 64))
