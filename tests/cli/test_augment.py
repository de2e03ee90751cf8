"""Labelled pictures from a class-conditional run, as files and for a classifier; and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hvae
from hvae.errors import HvaeError
from hvae.metrics.gain import gain

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class-conditional run of moments on digits."""
    return trained(tmp_path_factory.mktemp("told") / "run", "class")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classifiers of a few steps."""
    monkeypatch.setattr("hvae.metrics.gain.gain", partial(gain, steps=3))


def trained(folder: Path, kind: str) -> Path:
    small = {"model.family": "lvae", "model.latents": "4,2", "model.widths": "16,16", "model.norm": "none"}
    short = {"train.steps": 4, "train.batch": 16, "train.accelerator": "cpu", "train.valid_size": 20}
    charged = {"objective.free_bits.nats": 0, "objective.warmup.length": 0}
    measured = {"evaluate.measures": "likelihood", "evaluate.samples": 2, "evaluate.limit": 20}
    hvae.train("digits", out=folder, overrides={**small, **short, **charged, **measured, "model.condition.kind": kind})
    return folder


def test_a_folder_for_each_class(run: Path, command: Command, tmp_path: Path) -> None:
    said = command("augment", run, "--per-class", 3, "--out", tmp_path / "more", "--json")
    assert said.code == 0, said.err
    files = sorted((tmp_path / "more").glob("*/*.png"))
    assert [file.parent.name for file in files] == [str(k) for k in range(10) for _ in range(3)]
    assert np.asarray(Image.open(files[0])).shape[:2] == (8, 8)
    told = json.loads((tmp_path / "more" / "augmentation.json").read_text())
    assert told["by_class"] == {str(k): 3 for k in range(10)} and json.loads(said.out)["number"] == 30


def test_the_same_seed_gives_the_same_pictures_and_another_one_others(run: Path) -> None:
    first, again, other = (hvae.augment(run, per_class=2, judge=True, seeds=2, seed=s).pictures for s in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


def test_levels_from_data_hold_what_the_data_say(run: Path) -> None:
    """With every level from training pictures the pictures are reconstructions: nearer to data than samples are."""
    near, far = (hvae.augment(run, per_class=5, levels=levels, judge=True, seeds=2) for levels in (("z2", "z1"), ()))
    assert near.wish.levels == ("z2", "z1") and (near.pictures != far.pictures).any()


def test_a_judge_compares_with_and_without(run: Path, command: Command) -> None:
    said = command("augment", run, "--per-class", 5, "--judge", "--seeds", 2)
    assert said.code == 0, said.err
    assert "difference, paired" in said.out and "both" in said.out and "2 seeds" in said.out


def test_a_judge_may_look_for_a_finding_in_any_place(run: Path, command: Command) -> None:
    said = command("augment", run, "--per-class", 5, "--judge", "--look", "anywhere", "--seeds", 2, "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["gain"]["look"] == "anywhere"


def test_near_copies_are_left_out(run: Path, monkeypatch: pytest.MonkeyPatch, command: Command, tmp_path: Path) -> None:
    monkeypatch.setattr("hvae.metrics.copies.CopyDetector.__call__", lambda self, x: x.new_ones(len(x)).bool())
    said = command("augment", run, "--per-class", 2, "--out", tmp_path / "none")
    assert said.code == 0 and "0 pictures of 10 classes" in said.out and "100 near copies" in said.out
    assert "fewer than were asked for of 0, 1" in said.err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((), "nothing to do"),
        (("--judge", "--look", "anywere"), "did you mean 'anywhere'?"),
        (("--out", "more", "--look", "anywhere"), "ask for one with --judge"),
        (("--per-class", "0", "--judge"), "--per-class: expected at least 1"),
        (("--per-class", "balanc", "--judge"), "--per-class: expected a whole number or balance, got balanc"),
        (("--per-class", "1000000", "--judge"), "ask for fewer with --per-class"),
        (("--levels", "z9", "--judge"), "z9"),
        (("-t", "cold", "--judge"), "--temperature"),
        (("-t", "-1", "--judge"), "temperature of 0 or above"),
        (("--temperature.z9", "1", "--judge"), "z9"),
        (("--out", "/dev/null/more"), "could not write"),
        (("--seeds", "1", "--judge"), "--seeds: expected at least 2"),
    ],
)
def test_refusals(
    words: tuple[str, ...], line: str, run: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hvae.capacity.free_memory", lambda: 10**9)
    said = command("augment", run, *words)
    assert said.code == 2 and line in said.err and said.err.count("hvae:") == 1


def test_a_run_without_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match="not conditioned on classes"):
        hvae.augment(trained(tmp_path / "run", "none"), tmp_path / "more")


def test_balance_gives_each_class_what_it_lacks(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    augmentation = hvae.augment(run, per_class="balance", judge=True, seeds=2)
    labels = [1437 // 10] * 10
    assert min(augmentation.wish.counts) == 0 and max(augmentation.wish.counts) < max(labels)
    with pytest.raises(HvaeError, match="expected a whole number or balance"):
        hvae.augment(run, per_class="much", judge=True)
