"""What a run needs at its end is looked at before its first step; what is not possible is left out, with its reason."""

from __future__ import annotations

import json
import os
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hvae.condition import Condition
from hvae.study.beforehand import unvarying

Command = Callable[..., Any]


FLAT = ("--model.groups=1,1,1,1", "--objective.warmup.length=0", "--objective.free_bits.nats=0")
"""Four scales of 8 x 8 pictures: the last is one place."""


def pictures(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        levels = np.random.default_rng(number).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(levels).save(folder / f"{number:03d}.png")
    return folder


def evaluation(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())
    return record


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """No step may be taken."""

    def step(*_: object, **__: object) -> None:
        raise AssertionError("a step was taken")

    monkeypatch.setattr("hvae.training.learner.Learner.step", step)


def test_a_dozen_pictures_are_trained_on_and_measured_as_far_as_it_goes(
    tmp_path: Path, command: Command, tiny: tuple[str, ...]
) -> None:
    source = ("--data.name=folder", "--data.path", pictures(tmp_path / "images", 12), "--train.batch=4")
    said = command("train", "digits", "--out", tmp_path / "run", *tiny, *source)
    assert said.code == 0, said.err
    record, page = evaluation(tmp_path / "run"), (tmp_path / "run" / "report.html").read_text()
    assert record["likelihood"]["data"] == 1 and "activity" not in record
    assert record["skipped"]["activity"] == "2 data or more are needed, got 1"
    assert "will not be measured: activity: 2 data or more" in said.err and "2 data or more are needed" in page
    again = command("report", tmp_path / "run")
    assert again.code == 0 and evaluation(tmp_path / "run") == record


def test_a_class_of_one_picture_is_measured_as_far_as_it_goes(
    tmp_path: Path, command: Command, tiny: tuple[str, ...]
) -> None:
    for name, number in (("common", 30), ("rare", 1)):
        pictures(tmp_path / "images" / name, number)
    source = ("--data.name=folder", "--data.path", tmp_path / "images", "--train.batch=4")
    said = command("train", "digits", "--out", tmp_path / "run", *tiny, *source, "--evaluate.measures=all")
    assert said.code == 0, said.err
    assert "classes" in evaluation(tmp_path / "run")["skipped"]


def test_images_in_a_folder_of_any_name_get_their_report(
    tmp_path: Path, command: Command, tiny: tuple[str, ...]
) -> None:
    place = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        pictures(place, 12)
    except OSError:
        pytest.skip("this file system takes names in UTF-8 alone")
    data = ("--data.name=folder", "--data.path", place, "--train.batch=4", "--data.test=0")
    said = command("train", "digits", "--out", tmp_path / "run", *tiny, *data)
    assert said.code == 0, said.err
    assert "caf\\udce9" in (tmp_path / "run" / "report.html").read_text()
    assert command("train", tmp_path / "run", "--resume").code == 0


def test_without_test_data_there_is_a_page_of_samples(tmp_path: Path, command: Command, tiny: tuple[str, ...]) -> None:
    source = ("--data.name=folder", "--data.path", pictures(tmp_path / "images", 12), "--train.batch=4")
    said = command("train", "digits", "--out", tmp_path / "run", *tiny, *source, "--data.test=0")
    assert said.code == 0, said.err
    assert set(evaluation(tmp_path / "run")["skipped"].values()) == {
        "no test data to evaluate on; set data.test above 0"
    }
    assert (tmp_path / "run" / "pictures" / "samples.png").is_file()
    refused = command("evaluate", tmp_path / "run")
    assert refused.code == 2 and "no test data to evaluate on" in refused.err


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--evaluate.measures=disentanglement",), "disentanglement cannot be measured: factors are needed"),
        (("--evaluate.measures=disentanglement", "--evaluate.factors=none.npz"), "none.npz"),
        (("--evaluate.measures=quality", "--evaluate.features=none.pth"), "evaluate.features: no file at none.pth"),
        (("--evaluate.measures=quality", "--evaluate.generated=5"), "quality cannot be measured"),
        (("--evaluate.measures=likelihood", "--evaluate.split=valid", "--data.valid=0"), "no valid data"),
    ],
)
def test_what_is_asked_for_by_name_is_refused_before_training(
    tmp_path: Path, command: Command, tiny: tuple[str, ...], words: tuple[str, ...], message: str
) -> None:
    said = command("train", "digits", "--out", tmp_path / "run", *tiny, *words)
    assert said.code == 2 and message in said.err.splitlines()[-1] and not (tmp_path / "run").exists()


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize("words", [("--objective.own", "0.5"), ("--objective.keep", "0.5")])
@pytest.mark.parametrize("family", ["lvae", "vdm"])
def test_a_family_without_a_decoder_that_hears_itself_says_so_before_training(
    family: str, words: tuple[str, str], tmp_path: Path, command: Command, never: None
) -> None:
    preset = "digits" if family == "lvae" else "digits-vdm"
    plain = ("--objective.warmup.length", 0, "--objective.free_bits.nats", 0) if family == "lvae" else ()
    said = command("train", preset, "--out", tmp_path / "run", *plain, *words)
    assert said.code == 2 and not (tmp_path / "run").exists()
    assert f"{words[0][2:]}: expected" in said.err and "choose model.family vrae" in said.err
    assert "Traceback" not in said.err


def test_a_full_disk_is_seen_before_training(
    tmp_path: Path, command: Command, tiny: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10**9, 10**9, 10**6))
    said = command("train", "digits", "--out", tmp_path / "run", *tiny)
    assert said.code == 2 and "1 MB are free" in said.err and not (tmp_path / "run").exists()


@pytest.mark.parametrize("source", ["folder", "npy"])
def test_images_that_changed_are_refused_or_every_number_says_so(
    tmp_path: Path, command: Command, tiny: tuple[str, ...], source: str
) -> None:
    folder, place = tmp_path / "run", tmp_path / "images"

    def write(count: int) -> Path:
        if source == "folder":
            return pictures(place, count)
        np.save(place.with_suffix(".npy"), np.random.default_rng(0).integers(0, 256, (count, 8, 8), dtype=np.uint8))
        return place.with_suffix(".npy")

    data = (f"--data.name={source}", "--data.path", write(60), "--train.batch=8")
    assert command("train", "digits", "--out", folder, *tiny, *data).code == 0
    write(61)
    before = (folder / "last.ckpt").read_bytes()
    said = command("train", folder, "--resume", "--train.steps=9")
    assert said.code == 2 and "(train of 48 images now has 49; " in said.err and "--accept-changed-data" in said.err
    assert (folder / "last.ckpt").read_bytes() == before and evaluation(folder)["data_changes"] == []
    said = command("train", folder, "--resume", "--train.steps=9", "--accept-changed-data")
    assert said.code == 0, said.err
    assert "train of 48 images now has 49" in evaluation(folder)["data_changes"] and "data changed" in said.out
    assert "train of 48 images now has 49" in (folder / "report.html").read_text()
    assert command("train", folder, "--resume", "--train.steps=12").code == 0
    assert "train of 48 images now has 49" in evaluation(folder)["data_changes"]


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("digits", "--model.family=markov", "--objective.layerwise=2"), "objective.layerwise: expected 0"),
        (("digits", "--model.family=biva", "--objective.layerwise=0.5"), "objective.layerwise: expected 0"),
        (("digits-vdm", "--objective.layerwise=2"), "objective.layerwise: expected 0"),
        (("digits-vdm", "--model.widths=32,32,32,32"), "got 32 channels in 32 groups at the only place of a map"),
        (("digits", *FLAT, "--model.norm=group", "--model.width=1"), "got 1 channel in 1 group at the only place"),
        (("digits", "--train.batch=7", "--train.accumulate=3"), "expected a multiple of train.accumulate (3), got 7"),
        (("digits", "--train.batch=2", "--train.accumulate=3"), "got 2; the nearest is 3"),
    ],
)
def test_what_no_step_could_do_is_said_before_one(
    words: tuple[str, ...], message: str, dry: tuple[str, ...], tmp_path: Path, command: Command
) -> None:
    said = command("train", *words, "--train.steps=5", *dry, "--out", tmp_path / "run")
    assert said.code == 2 and message in said.err.splitlines()[-1] and not (tmp_path / "run").exists()
    assert "run folder" not in said.out + said.err


def test_gaps_of_single_channels_under_a_likelihood_of_all_are_refused_before_a_step(
    tmp_path: Path, command: Command, tiny: tuple[str, ...], never: None
) -> None:
    colours = np.random.default_rng(0).random((30, 3, 8, 8), np.float32)
    colours[4, 1] = np.nan
    np.save(tmp_path / "x.npy", colours)
    said = command("train", "arrays", "--data.path", tmp_path / "x.npy", "--out", tmp_path / "run", *tiny)
    assert said.code == 2 and "make them NaN in all" in said.err and not (tmp_path / "run").exists()
    assert "run folder" not in said.err


def test_a_cut_checkpoint_is_refused_before_data_are_read(
    run: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    content = (copy / "last.ckpt").read_bytes()
    (copy / "last.ckpt").write_bytes(content[: len(content) // 2])
    monkeypatch.setattr("hvae.study.fitting.load_any", None)
    said = command("train", copy, "--resume", "--train.steps", 10**6)
    assert said.code == 2 and "last.ckpt is damaged" in said.err
    assert (copy / "last.ckpt").stat().st_size == len(content) // 2


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize(
    ("sizes", "least"),
    [(("batch=1",), 2), (("batch=3", "accumulate=3"), 6), (("batch=4", "accumulate=2", "devices=2"), 8)],
)
def test_batch_norm_needs_two_data_at_once(
    sizes: tuple[str, ...], least: int, command: Command, tmp_path: Path
) -> None:
    words = ("--model.family=lvae", "--objective.warmup.length=0", "--objective.free_bits.nats=0")
    said = command("train", "digits", *words, *(f"--train.{size}" for size in sizes), "--out", tmp_path / "run")
    assert said.code == 2 and f"train.batch: expected at least {least} data" in said.err
    assert not (tmp_path / "run").exists()


def test_a_number_that_is_the_same_everywhere_is_named(command: Command, tmp_path: Path) -> None:
    place, sheet = pictures(tmp_path / "pictures", 20), tmp_path / "numbers.csv"
    sheet.write_text("file,age,year\n" + "".join(f"{n:03d}.png,{n},{2020 if n % 2 else ''}\n" for n in range(20)))
    words = ("--data.path", place, "--data.attributes", sheet, "--data.size", "8,8", *FLAT)
    told = ("--model.condition.kind", "vector", "--model.condition.drop", 0.1)
    short = ("--train.steps", 1, "--evaluate.measures", "likelihood", "--evaluate.samples", 1)
    said = command("train", "photos-small", *words, *told, *short, "--out", tmp_path / "run")
    assert said.code == 0 and said.err.count("data.attributes: column 3: expected numbers that differ") == 1


@pytest.mark.parametrize(
    ("name", "rows", "is_said"),
    [
        ("label", [0] * 4, True),
        ("label", [3, 3, -1, 3], True),
        ("label", [-1] * 4, False),
        ("label", [0, 1, 0, 1], False),
        ("text", [[2, 3, 0]] * 3 + [[-1, -1, -1]], True),
        ("text", [[2, 3, 0], [2, 0, 0]], False),
    ],
)
def test_a_class_or_a_caption_that_is_the_same_everywhere_is_named(name: str, rows: list[Any], is_said: bool) -> None:
    train = SimpleNamespace(attributes=None, known={name: torch.tensor(rows)})
    for conditions, expected in (({name: Condition(classes=4)}, is_said), ({}, False)):
        line = unvarying(SimpleNamespace(conditions=conditions), SimpleNamespace(train=train))  # type: ignore[arg-type]
        assert ("is the same wherever training knows it" in line) == expected and "\n" not in line
