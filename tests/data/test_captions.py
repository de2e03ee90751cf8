"""Captions beside pictures or in one file: read once, cut, hostile ones harmless, and one line for what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hvae.config.data import DataConfig
from hvae.data import load
from hvae.data.captions import LARGEST, plain, tokens
from hvae.data.sequences.form import SequenceForm
from hvae.errors import HvaeError


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures in two folders, each with its brightness in words beside it, but for number 3."""
    for i in range(12):
        place = tmp_path / "pictures" / "ab"[i % 2] / f"{i:02d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 20 * i, np.uint8)).save(place)
        if i != 3:
            place.with_suffix(".txt").write_text(f"light {20 * i}\n")
    return tmp_path / "pictures"


def read(folder: Path, captions: str = "beside", **keys: Any) -> Any:
    return load(DataConfig(name="folder", path=str(folder), captions=captions, valid=2, test=2, **keys))


def sheet(folder: Path, text: str) -> str:
    path = folder.parent / "captions.csv"
    path.write_text(text, newline="")
    return str(path)


def spelled(form: SequenceForm, row: torch.Tensor) -> str:
    return "".join(form.symbols[token] for token in row.tolist() if token > 0)


def check_each(data: Any) -> None:
    """Every picture has its own caption, as text and as tokens; one has none."""
    form, without = data.provenance.captions, 0
    for split in (data.train, data.valid, data.test):
        batch = split.batch(range(len(split)))
        for x, text, row in zip(batch.x, split.captions.texts, batch.context["text"], strict=True):
            assert text in ("", f"light {round(255 * float(x[0, 0, 0]))}")
            without += not text
            assert bool((row == -1).all()) if not text else set(text) - set(spelled(form, row)) <= set("0123456789")
        turned = split.some([1, 0])
        assert torch.equal(turned.batch([0]).context["text"], batch.context["text"][1:2])
    assert without == 1


def test_a_text_beside_each_picture(folder: Path) -> None:
    data = read(folder)
    check_each(data)
    assert any("captions of 11 of 12 images" in note for note in data.provenance.transforms)
    tally = data.provenance.tally  # a text that is read is none of the files that are not used
    assert (tally.files, tally.used, dict(tally.unused)) == (12, 12, {}), tally
    assert data.provenance.captions.longest == data.train.captions.tokens.shape[1] == len("light 100") + 1


@pytest.mark.parametrize("bare", [True, False])
def test_one_file_of_captions(folder: Path, bare: bool) -> None:
    names = [f"{'' if bare else 'ab'[i % 2] + '/'}{i:02d}.png" for i in range(12)]
    rows = "".join(f'{name},"light {20 * i}"\n' for i, name in enumerate(names) if i != 3)
    check_each(read(folder, sheet(folder, "file,caption\n" + rows)))


def test_a_quoted_caption_may_hold_line_ends_and_separators(folder: Path) -> None:
    data = read(folder, sheet(folder, 'file,caption\n00.png,"a ""light"",\none\u2028more"\n'))
    texts = {text for split in (data.train, data.valid, data.test) for text in split.captions.texts}
    assert texts == {"", 'a "light", one more'}


def test_words_and_the_longest(folder: Path) -> None:
    data = read(folder, tokens="word", longest=2)
    form = data.provenance.captions
    assert form.step == "word" and "light" in form.symbols and form.longest == 2
    assert {spelled(form, row) for row in data.train.captions.tokens if row[0] >= 0} == {"light"}


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[2J\x1b]0;owned\x07light",
        "\u202ethgil\u202c \u2066x\u2069",
        "<script>alert(1)</script>",
        "\ufefflight\x00\x00",
        "e\u0301 \U0001f600 \u200b",
        " \n\t ",
        "=cmd|' /C calc'!A0",
    ],
)
def test_hostile_captions_are_texts_like_any_other(folder: Path, text: str) -> None:
    (folder / "a" / "00.txt").write_text(text)
    assert all(sign.isprintable() for sign in plain(text)) and plain(plain(text)) == plain(text)
    data = read(folder)
    every = [one for split in (data.train, data.valid, data.test) for one in split.captions.texts]
    assert plain(text) in every


def test_ten_megabytes_are_no_caption(folder: Path) -> None:
    (folder / "a" / "00.txt").write_text("light " * 2_000_000)
    with pytest.raises(HvaeError, match=r"00\.txt: expected at most 65,536 bytes, got 12,000,000"):
        read(folder)


def test_a_long_caption_is_cut() -> None:
    form = SequenceForm(kind="text", step="character", symbols=("", "?", "a"), longest=5)
    assert tokens(["a" * LARGEST], form).tolist() == [[2, 2, 2, 2, 0]]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "expected a first line of the headings file,caption, got nothing"),
        ("file;caption\na.png;red\n", "expected commas between cells, got semicolons; save it with commas"),
        ("name,caption\n00.png,x\n", "headings file,caption, got 'name,caption'"),
        ("file,caption\n00.png,a,red one\n", "line 2: expected a file and its caption, got 3 cells; quote it"),
        ("file,caption\n00.png,a\n00.png,b\n", "line 3: '00.png' has a row already"),
        ("file,caption\na/00.png,\n", "the rows that name files have empty cells alone; fill some in"),
        ("file,caption\n99.png,a\n", "no picture has a caption; expected rows that name pictures .* got '99.png'"),
        ("file,caption\n00.png," + "a" * (LARGEST + 1) + "\n", "line 2: expected up to 65,536 characters, got 65,537"),
        ("file,caption\n00.png," + "a" * 200_000 + "\n", "is no CSV file of UTF-8 text"),
    ],
    ids=range(9),
)
def test_what_is_wrong_with_a_file_is_one_line(folder: Path, text: str, line: str) -> None:
    with pytest.raises(HvaeError, match=line) as fault:
        read(folder, sheet(folder, text))
    assert "\n" not in str(fault.value)


def test_what_is_wrong_beside_a_picture_is_one_line(folder: Path) -> None:
    (folder / "a" / "00.txt").write_bytes(b"\xff\xfelight")
    with pytest.raises(HvaeError, match="expected a caption in UTF-8, got other bytes at 0"):
        read(folder)
    for path in folder.rglob("*.txt"):
        path.unlink()
    with pytest.raises(HvaeError, match="no picture has a caption; expected a text beside each, such as a/00.txt"):
        read(folder)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"name": "digits", "captions": "beside"}, "data.captions=beside speaks of the files of a folder"),
        ({"name": "folder", "path": ".", "tokens": "word"}, "data.tokens says nothing of pictures"),
        ({"name": "folder", "path": ".", "captions": "beside", "longest": 1}, "data.longest: expected"),
    ],
)
def test_keys_that_say_nothing(keys: dict[str, Any], line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        DataConfig(**keys)


def test_byte_pairs_are_an_extra(folder: Path) -> None:
    try:
        data = read(folder, tokens="bpe", vocabulary=30)
    except HvaeError as fault:
        assert str(fault).startswith("data.tokens=bpe: the package 'tokenizers' (extra 'text') is not installed; ")
    else:
        assert data.provenance.captions.merges and int(data.train.captions.tokens.max()) > 1
