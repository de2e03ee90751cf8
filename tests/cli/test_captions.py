"""A model that is told captions, behind every command: asked in words, judged, reported, compressed, exported."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hvae
from hvae.errors import HvaeError
from hvae.runs.subject import open_run
from hvae.study.latents import encode_images
from hvae.study.samples import draw_samples

Command = Callable[..., Any]
HOSTILE = "<script>alert('x')</script> & \u202edark\x1b[2J"
KEYS: dict[str, Any] = {
    **{"model.family": "vae", "model.latent": 4, "model.widths": "32", "model.likelihood": "dmol"},
    **{"model.condition.kind": "text", "model.condition.drop": 0.2, "model.condition.width": 16},
    **{"objective.free_bits.nats": 0, "objective.warmup.length": 0, "train.accelerator": "cpu", "train.batch": 32},
    **{"data.name": "folder", "data.captions": "beside", "data.valid": 8, "data.test": 24, "train.valid_size": 8},
    **{"evaluate.measures": "likelihood,condition", "evaluate.samples": 2, "evaluate.limit": 24},
}
WORDS = {"dark": 20, "light": 230}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark and light pictures in folders of these names, whose captions say which, in two ways; some have none."""
    folder, random = tmp_path_factory.mktemp("captions") / "pictures", np.random.default_rng(0)
    for i in range(160):
        word = list(WORDS)[i % 2]
        place = folder / word / f"{i:03d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((WORDS[word] + random.integers(-15, 16, (8, 8))).astype(np.uint8)).save(place)
        if i % 10:
            place.with_suffix(".txt").write_text([f"a {word} square", f"it is {word}"][i // 2 % 2])
        if i % 16 == 6:
            place.with_suffix(".txt").write_text(HOSTILE)
    return folder


@pytest.fixture(scope="module")
def told(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run of a few hundred steps."""
    place = tmp_path_factory.mktemp("told")
    old = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(place / "cache")
    hvae.train("digits", out=place / "run", overrides={**KEYS, "data.path": str(pictures), "train.steps": 300})
    yield place / "run"
    os.environ.pop("XDG_CACHE_HOME") if old is None else os.environ.update(XDG_CACHE_HOME=old)


def drawn(command: Command, run: Path, out: Path, *words: object) -> np.ndarray[Any, Any]:
    outcome = command("sample", run, "-n", 8, "--seed", 1, "-o", out, *words)
    assert outcome.code == 0, outcome.err
    samples: np.ndarray[Any, Any] = np.load(out)
    return samples


def test_samples_are_what_the_caption_says(told: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "some.npy"
    dark = drawn(command, told, out, "--context", "text=a dark square")
    light = drawn(command, told, out, "--context", "text=it is light")
    assert dark.mean() < 0.3 and light.mean() > 0.7
    assert np.array_equal(dark, drawn(command, told, out, "--context", "text=  a  dark\tsquare "))
    further = drawn(command, told, out, "--context", "text=a dark square", "--guidance", 1)
    assert np.array_equal(dark, further) and not np.array_equal(dark, drawn(command, told, out))
    drawn(command, told, out, "--context", "text=light, a square, is it")  # commas are its own
    both = hvae.load(told).model
    assert both.conditions["text"].optional and both.conditions["text"].is_text


def test_several_captions_in_python(told: Path, tmp_path: Path) -> None:
    samples = draw_samples(
        told, tmp_path / "x.npy", number=2, context={"text": ["a dark square", "it is light"]}, seed=0
    )
    assert float(samples.pictures[0].mean()) < 0.3 < 0.7 < float(samples.pictures[1].mean())  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("text=\u2603\u2603", "expected a caption in the characters of the training captions"),
        ("text=\x1b\x07", "expected a caption in the characters of the training captions"),
        ("text=" + "a" * 70_000, "expected a caption of up to 65,536 characters, got 70,000; shorten it"),
        ("label=1", "no condition named 'label'; Known: text"),
    ],
    ids=["unknown", "unseen", "long", "another"],
)
def test_what_cannot_be_asked_is_one_line(told: Path, command: Command, word: str, line: str, tmp_path: Path) -> None:
    outcome = command("sample", told, "-o", tmp_path / "none.png", "--context", word)
    assert outcome.code == 2 and line in outcome.err and len(outcome.err.splitlines()) == 1
    assert outcome.err.rstrip("\n").isprintable() and len(outcome.err) < 600 and not (tmp_path / "none.png").exists()


def test_a_judge_says_whether_it_follows(told: Path) -> None:
    record = json.loads((told / "evaluation.json").read_text())
    condition = record["condition"]
    assert record["likelihood"]["given"] == ["text"] and condition["context"] == "text"
    assert (
        condition["right"] > 0.8 and 0 < condition["information_nats"] <= condition["entropy_nats"] <= np.log(2) + 1e-9
    )
    assert condition["swapped_to_new"] > condition["swapped_to_old"]


def test_the_page_shows_captions_and_runs_none(told: Path) -> None:
    page = (told / "report.html").read_text()
    assert "Samples by caption" in page and "by the text of a datum" in page
    assert "<script>alert" not in page and "\u202e" not in page and "\x1b" not in page
    assert (told / "pictures" / "samples-by-caption.png").stat().st_size > 1000


def test_missing_captions_are_named_before_training(pictures: Path, tmp_path: Path) -> None:
    keys = {**KEYS, "data.path": str(pictures), "model.condition.drop": 0.0, "train.steps": 2}
    line = r"caption missing: 14 of 160 pictures .*dark/000\.png.*condition\.drop above 0"
    with pytest.raises(HvaeError, match=line) as fault:
        hvae.train("digits", out=tmp_path / "run", overrides=keys)
    assert "\n" not in str(fault.value) and not (tmp_path / "run").exists()
    with pytest.raises(HvaeError, match="text needs captions, and folder:pictures has none; set data.captions"):
        hvae.train("digits", out=tmp_path / "run", overrides={**keys, "data.captions": ""})


def test_a_users_pictures_bring_their_captions_in_the_words_of_the_run(told: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for name, word in (("one", "light"), ("two", "dark")):
        Image.fromarray(np.full((8, 8), 20, np.uint8)).save(own / f"{name}.png")
        (own / f"{name}.txt").write_text(f"it is {word}")
    encoded = encode_images(told, own, tmp_path / "z.npz")
    stored = np.load(tmp_path / "z.npz")
    words = next(stored[key] for key in stored.files if "text" in key)
    assert encoded.to_dict()["number"] == 2 and words.shape[0] == 2 and not np.array_equal(words[0], words[1])
    form = hvae.load(told).description["data"]["captions"]
    spelled = ["".join(form["symbols"][token] for token in row if token > 0) for row in words]
    assert spelled == ["it is light", "it is dark"]


def test_captions_that_changed_are_read_in_the_words_of_the_run(told: Path, pictures: Path, tmp_path: Path) -> None:
    other = tmp_path / "pictures"
    shutil.copytree(pictures, other)
    for path in other.rglob("*.txt"):
        path.write_text(f"zzz {path.parent.name}")
    heard: list[str] = []
    subject = open_run(told, {"data.path": str(other)}, heard.append)
    assert any("captions" in line for line in heard)
    symbols = hvae.load(told).description["data"]["captions"]["symbols"]
    texts = zip(subject.images.test.captions.texts, subject.images.test.captions.tokens, strict=True)
    text, row = next((text, row) for text, row in texts if text)
    again = "".join(symbols[token] for token in row.tolist() if token > 0)
    assert again.removeprefix("\ufffd" * 3) == text.removeprefix("zzz")


def test_a_file_is_read_under_its_caption_alone(told: Path, pictures: Path, tmp_path: Path, command: Command) -> None:
    context = ("--context", "text=a dark square")
    assert command("compress", told, pictures / "dark", tmp_path / "a.hvz", *context).code == 0
    back = command("decompress", tmp_path / "a.hvz", tmp_path / "back", *context)
    assert back.code == 0 and len(list((tmp_path / "back").rglob("*.png"))) == 80
    other = command("decompress", tmp_path / "a.hvz", tmp_path / "other", "--context", "text=it is light")
    assert other.code == 2 and "context" in other.err and not (tmp_path / "other").exists()


def test_a_decoder_hears_the_caption(told: Path, tmp_path: Path) -> None:
    export = hvae.export(told, tmp_path / "decoder.pt2", to="pt2")
    assert "context_text" in export.inputs and export.difference < 1e-3


def test_the_studio_asks_in_words(told: Path) -> None:
    pytest.importorskip("starlette")
    from hvae.studio.asked import OwnAsked
    from hvae.studio.opened import Opened
    from hvae.studio.views.own import own

    opened = Opened(0, hvae.load(told))
    (field,) = opened.about()["conditions"]
    assert field["text"] and not field["classes"] and "it is dark" in field["titles"]
    assert bool((opened.said({"text": "it is dark"})["text"] > 1).any())  # type: ignore[operator]
    with pytest.raises(HvaeError, match="expected a caption in the characters"):
        opened.said({"text": "\u2603"})
    infos = [own(opened, OwnAsked(place=place)).info for place in range(24)]
    assert {info["context"]["text"] for info in infos} >= {"it is dark", "it is light"}


@pytest.mark.parametrize(("key", "kind"), [("captions", "none"), ("captions", "class"), ("attributes", "none")])
def test_what_no_condition_reads_is_refused_before_there_is_a_folder(
    key: str, kind: str, pictures: Path, tmp_path: Path
) -> None:
    keys = {**KEYS, "data.path": str(pictures), "data.captions": "", "model.condition.kind": kind}
    if kind == "none":
        keys["model.condition.drop"] = 0.0
    with pytest.raises(HvaeError, match=f"data.{key}=beside is read by a model of .* and it is {kind}"):
        hvae.train("digits", out=tmp_path / "run", overrides={**keys, f"data.{key}": "beside", "train.steps": 1})
    assert not (tmp_path / "run").exists()
