"""Captions of sequences: sounds with a text beside each or one CSV file, trained, drawn in words, and refused."""

from __future__ import annotations

import csv
import wave
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hvae
from hvae.config.data import DataConfig
from hvae.data import load_sequences
from hvae.datum import Datum
from hvae.errors import HvaeError
from hvae.runs.words import words_of

Command = Callable[..., Any]
WORDS = {"a low tone": 200, "a high tone": 1500}
FRAME = 16


def sounds(folder: Path, count: int = 60) -> dict[str, str]:
    """Short tones of two pitches; the caption of each by its name."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    captions = {}
    for k in range(count):
        caption, pitch = list(WORDS.items())[k % 2]
        wave_form = np.sin(2 * np.pi * pitch * np.arange(6 * FRAME) / 8000 + random.uniform(0, 6))
        with wave.open(str(folder / f"{k:03d}.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes((20_000 * wave_form).astype("<i2").tobytes())
        captions[f"{k:03d}.wav"] = caption
    return captions


def beside(folder: Path, count: int = 60) -> Path:
    for name, caption in sounds(folder, count).items():
        (folder / name).with_suffix(".txt").write_text(caption)
    return folder


def trained(out: Path, data: Path, **keys: Any) -> Path:
    model = {"model.latent": 2, "model.state": 16, "model.width": 16, "data.frame": FRAME, "model.likelihood": "dmol"}
    short = {"train.steps": 80, "train.batch": 16, "train.lr": 1e-2, "train.warmup": 5, "train.accelerator": "cpu"}
    free = {"objective.warmup.length": 0, "train.valid_every": 80, "train.ema": 0.5, "evaluate.measures": "likelihood"}
    text = {"data.captions": "beside", "data.tokens": "word", "model.condition.kind": "text"}
    source = {"data.name": "sequences", "data.path": str(data), "evaluate.samples": 2, "model.condition.drop": 0.2}
    hvae.train("speech-vrnn", out=out, overrides={**model, **short, **free, **text, **source, **keys})
    return out


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return beside(tmp_path_factory.mktemp("data") / "sounds")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    return trained(tmp_path_factory.mktemp("run") / "run", data)


def bound(run: Path, text: str) -> float:
    """-ELBO of low tones under a caption, nats a sequence."""
    loaded = hvae.load(run)
    split = load_sequences(loaded.config.data).spelled(words_of(loaded)).train
    low = split.some([k for k, said in enumerate(split.captions.texts) if said == "a low tone"])
    tokens = split.captions.tokens[split.captions.texts.index(text)].expand(len(low), -1)
    batch = low.batch(range(len(low)))
    return -float(loaded.model(Datum(batch.x, {"text": tokens}, lengths=batch.lengths)).elbo().mean().detach())


def test_a_caption_is_read_beside_each_sound_and_from_one_file(data: Path, tmp_path: Path) -> None:
    wish = DataConfig(name="sequences", path=str(data), frame=FRAME, captions="beside", tokens="word")
    split = load_sequences(wish).train
    assert set(split.captions.texts) == set(WORDS)
    assert split.known["text"].shape == (len(split), 4)  # three words and the end
    captions = sounds(tmp_path / "bare")
    with (tmp_path / "bare" / "captions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "caption"), *captions.items()])
    place = str(tmp_path / "bare" / "captions.csv")
    other = load_sequences(replace(wish, path=str(tmp_path / "bare"), captions=place)).train
    assert other.captions.texts == split.captions.texts
    assert other.known["text"].equal(split.known["text"])


def test_pieces_keep_the_caption_of_their_sequence(data: Path) -> None:
    wish = DataConfig(name="sequences", path=str(data), frame=FRAME, captions="beside", chunk=3, tokens="word")
    split = load_sequences(wish).train
    assert len(split) == 2 * len(load_sequences(replace(wish, chunk=0)).train)
    assert split.captions.texts[0] == split.captions.texts[1]
    assert split.order(0, 0, 4).shape == (len(split),)


def test_a_model_hears_what_is_said(run: Path) -> None:
    assert bound(run, "a low tone") < bound(run, "a high tone")


def test_sounds_are_drawn_in_words(run: Path, tmp_path: Path, command: Command) -> None:
    said = command("sample", run, "--context", "text=a high tone", "--guidance", 2, "-n", 2, "-o", tmp_path / "x.wav")
    assert said.code == 0, said.err
    said = command("sample", run, "--context", "text=zebra", "-o", tmp_path / "y.wav")
    assert said.code == 2 and said.err.count("\n") == 1 and "zebra" in said.err
    assert not (tmp_path / "y.wav").exists()


def test_sounds_of_a_user_bring_their_captions(run: Path, tmp_path: Path, command: Command) -> None:
    alone = trained(tmp_path / "must", beside(tmp_path / "data"), **{"model.condition.drop": 0, "train.steps": 2})
    own = beside(tmp_path / "own", count=8)
    said = command("encode", alone, "--data", own, "--out", tmp_path / "z.npz")
    assert said.code == 0, said.err
    for file in own.glob("*.txt"):
        file.unlink()
    said = command("encode", alone, "--data", own, "--out", tmp_path / "z.npz")
    assert said.code == 2 and said.err.count("\n") == 1 and "'text' is" in said.err, said.err


def test_what_cannot_be_read_is_one_line(data: Path, tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("one line\nand another\n" * 20)
    few = beside(tmp_path / "few", count=20)
    (few / "003.txt").unlink()
    bare = tmp_path / "bare"
    sounds(bare, count=20)
    text = {"model.likelihood": "categorical", "data.frame": 1}
    for line, keys in (
        ("these have none of their own", {"data.path": str(lines), "data.captions": str(lines), **text}),
        ("caption missing: 1 of 20 sequences .*003.wav", {"data.path": str(few), "model.condition.drop": 0}),
        ("no sequence has a caption; expected a text beside each", {"data.path": str(bare)}),
        ("text needs captions, and sequences:sounds has none", {"data.captions": "", "data.tokens": "char"}),
        ("model.condition.kind text alone", {"model.condition.kind": "none", "model.condition.drop": 0}),
    ):
        with pytest.raises(HvaeError, match=line) as fault:
            trained(tmp_path / "none", data, **keys)
        assert "\n" not in str(fault.value) and not (tmp_path / "none").exists()
