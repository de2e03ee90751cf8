"""A user's sequences are read as those of training are: by kind, with their classes and their captions."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvae.config.data import DataConfig
from hvae.data import load_sequences
from hvae.data.sequences.like import sequences_like

RANDOM = np.random.default_rng(0)
BODY = """HIERARCHY
ROOT Hips
{
OFFSET 0 0 0
CHANNELS 3 Xposition Yposition Zposition
End Site
{
OFFSET 0 1 0
}
}
MOTION
Frames: 6
Frame Time: 0.05
"""


def sound(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(RANDOM.integers(-20_000, 20_000, 64).astype("<i2").tobytes())


def numbers(path: Path) -> None:
    np.savetxt(path, RANDOM.standard_normal((6, 3)), delimiter=",")


def body(path: Path) -> None:
    rows = "\n".join(" ".join(map(str, row)) for row in RANDOM.standard_normal((6, 3)))
    path.write_text(f"{BODY}{rows}\n")


def film(path: Path) -> None:
    frames = [Image.fromarray(one) for one in RANDOM.integers(0, 255, (4, 6, 6), dtype=np.uint8)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


KINDS: dict[str, Callable[[Path], None]] = {".wav": sound, ".csv": numbers, ".bvh": body, ".gif": film}


def folder(place: Path, ending: str, classes: tuple[str, ...]) -> Path:
    """Ten files of each class, one after the other, all but the first with a caption."""
    for n, name in enumerate(classes * 10):
        (place / name).mkdir(parents=True, exist_ok=True)
        KINDS[ending](place / name / f"{n:02d}{ending}")
        if n:
            (place / name / f"{n:02d}.txt").write_text(f"{name} number {n % 3}")
    return place


@pytest.mark.parametrize("ending", KINDS)
def test_a_users_files_bring_their_captions_and_classes(ending: str, tmp_path: Path) -> None:
    place = folder(tmp_path / "set", ending, ("run", "walk"))
    wish = DataConfig(name="sequences", path=str(place), captions="beside", tokens="word", valid=0, test=0)
    data = load_sequences(wish)
    split, part, raw = sequences_like(place, data.form, data.bits, wish)
    assert part == "train" and raw.classes == data.classes == ("run", "walk")
    assert split.captions.texts == data.train.captions.texts and split.labels.equal(data.train.labels)
    assert split.captions.texts[0] == "" and split.captions.texts[1] == "run number 2"
    assert all(split.batch([n]).x.equal(data.train.batch([n]).x) for n in range(20))


@pytest.mark.parametrize("ending", KINDS)
def test_of_a_model_that_heard_none_none_are_read(ending: str, tmp_path: Path) -> None:
    place = folder(tmp_path / "set", ending, ("walk",))
    wish = DataConfig(name="sequences", path=str(place), captions="beside", tokens="word", valid=0, test=0)
    data = load_sequences(wish)
    silent = DataConfig(name="sequences", path=str(place), valid=0, test=0)
    assert sequences_like(place, data.form, data.bits, silent).split.captions is None
    for text in place.rglob("*.txt"):
        text.unlink()
    assert sequences_like(place, data.form, data.bits, wish).split.captions is None


def test_texts_in_folders_keep_their_classes(tmp_path: Path) -> None:
    for name in ("prose", "verse"):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "a.txt").write_text("\n".join(f"{name} line {n}" for n in range(20)))
    wish = DataConfig(name="sequences", path=str(tmp_path / "set"), kind="text", valid=0, test=0)
    data = load_sequences(wish)
    split, _, raw = sequences_like(tmp_path / "set", data.form, data.bits, wish)
    assert raw.classes == data.classes == ("prose", "verse") and split.labels.equal(data.train.labels)
