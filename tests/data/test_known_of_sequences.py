"""What is known of sequences beside their steps: classes of folders, labels of arrays, numbers of a CSV file."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hvae.config.data import DataConfig
from hvae.data import load_sequences
from hvae.data.sequences.split import SequenceData
from hvae.errors import HvaeError


def sound(path: Path, samples: int = 40) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, samples, "NONE", ""))
        file.writeframes(np.arange(samples, dtype="<i2").tobytes())


def text(path: Path, lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines)


def read(path: Path, **keys: Any) -> SequenceData:
    return load_sequences(DataConfig(name="sequences", path=str(path), **{"valid": 0, "test": 0, **keys}))


def test_folders_of_sounds_are_classes(tmp_path: Path) -> None:
    for name in ("cat/a.wav", "cat/deep/b.wav", "bird/c.wav"):
        sound(tmp_path / name)
    data = read(tmp_path)
    assert data.classes == ("bird", "cat") and data.train.known["label"].tolist() == [0, 1, 1]
    assert data.train.batch([2, 0]).context["label"].tolist() == [1, 0]
    assert data.train.pieces(10).labels is not None and len(data.train.pieces(10)) == 12
    sound(tmp_path / "loose.wav")
    assert not read(tmp_path).train.known


def test_folders_of_splits_are_none_and_may_hold_classes(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("cat", "bird"):
            sound(tmp_path / "both" / split / name / "a.wav")
        sound(tmp_path / "bare" / split / "a.wav")
    data = read(tmp_path / "both")
    assert data.classes == ("bird", "cat") and data.test.known["label"].tolist() == [0, 1]
    assert not read(tmp_path / "bare").train.known


def test_folders_of_texts_are_classes_of_their_lines(tmp_path: Path) -> None:
    text(tmp_path / "verse" / "a.txt", "rose\nlily\n")
    text(tmp_path / "prose" / "b.txt", "a long line\n")
    data = read(tmp_path)
    assert data.classes == ("prose", "verse") and data.train.known["label"].tolist() == [0, 1, 1]


def test_arrays_bring_labels(tmp_path: Path) -> None:
    rolls = {"train": np.eye(9)[:, :4], "train_len": [4, 3, 2], "train_labels": [2, -1, 0], "test": np.eye(4)}
    np.savez(tmp_path / "rolls.npz", **{name: np.array(one) for name, one in rolls.items()})
    data = read(tmp_path / "rolls.npz")
    assert data.train.known["label"].tolist() == [2, -1, 0] and not data.test.known
    moves = {**rolls, "train": np.random.default_rng(0).normal(size=(9, 4)), "test": np.ones((3, 4))}
    np.savez(tmp_path / "moves.npz", **{name: np.array(one) for name, one in moves.items()})
    assert read(tmp_path / "moves.npz", kind="motion").train.known["label"].tolist() == [2, -1, 0]
    named = {**rolls, "train_labels": ["b", "", "a"]}
    np.savez(tmp_path / "named.npz", **{name: np.array(one) for name, one in named.items()})
    data = read(tmp_path / "named.npz")
    assert data.train.known["label"].tolist() == [1, -1, 0] and data.classes == ("a", "b")


@pytest.mark.parametrize("labels", [[0, 1], [0.0, 1.0, 2.0], [0, -2, 1]])
def test_labels_that_are_not_one_whole_number_each_are_refused(tmp_path: Path, labels: list[float]) -> None:
    np.savez(tmp_path / "rolls.npz", train=np.eye(9)[:, :4], train_len=[4, 3, 2], train_labels=labels)
    with pytest.raises(HvaeError, match=r"rolls.npz \(train_labels\): expected .*label") as fault:
        read(tmp_path / "rolls.npz")
    assert "\n" not in str(fault.value)


def test_a_table_brings_numbers(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        sound(tmp_path / "sounds" / name)
    table = tmp_path / "numbers.csv"
    table.write_text("file,pitch,age\na.wav,110,\nc.wav,220,30\n")
    known = read(tmp_path / "sounds", attributes=str(table)).train.known["attributes"]
    expected = torch.tensor([[110, torch.nan], [torch.nan, torch.nan], [220, 30]])
    torch.testing.assert_close(known, expected, equal_nan=True)
    table.write_text("file,pitch\nz.wav,110\n")
    with pytest.raises(HvaeError, match="no row of .* names a sequence; expected names such as 'a.wav', got 'z.wav'"):
        read(tmp_path / "sounds", attributes=str(table))


def test_a_table_needs_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "rolls.npz", train=np.eye(9)[:, :4])
    (tmp_path / "numbers.csv").write_text("file,pitch\na,1\n")
    with pytest.raises(HvaeError, match="names the files of sequences, and these have none"):
        read(tmp_path / "rolls.npz", attributes=str(tmp_path / "numbers.csv"))
    with pytest.raises(HvaeError, match="set data.name=folder or sequences"):
        DataConfig(name="jsb", attributes="numbers.csv")
