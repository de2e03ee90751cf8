"""The names of classes travel with the weights: numbers or words, they mean the same where no data are at hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hvae
from hvae.deploy.formats import METADATA
from hvae.errors import HvaeError
from hvae.study.conditions import meanings, numbers
from hvae.study.gifts.scrub import scrubber

Command = Callable[..., Any]
FOLDERS = ("10", "3", "7", "cat")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on pictures in folders 3, 7, 10 and cat, whose data are gone."""
    place = tmp_path_factory.mktemp("named")
    random = np.random.default_rng(0)
    for name in FOLDERS:
        (place / "data" / name).mkdir(parents=True)
        for k in range(12):
            Image.fromarray(random.integers(0, 255, (8, 8), dtype=np.uint8)).save(place / "data" / name / f"{k}.png")
    tiny = {"model.family": "vae", "model.latent": 2, "model.widths": "8", "data.channels": 1, "data.size": "8,8"}
    short = {"train.steps": 2, "train.batch": 8, "train.accelerator": "cpu", "evaluate.measures": "activity"}
    wish = {"data.path": str(place / "data"), "model.condition.kind": "class", "model.condition.drop": 0.1}
    hvae.train("photos-small", out=place / "run", overrides={**tiny, **short, **wish})
    shutil.rmtree(place / "data")
    return place / "run"


def test_names_that_are_numbers_are_read_without_the_data(run: Path) -> None:
    loaded = hvae.load(run)
    assert loaded.description["classes"] == list(FOLDERS)
    for place, name in enumerate(FOLDERS):
        assert numbers(loaded.model, {"label": name}, meanings(loaded)) == {"label": place}
    assert numbers(loaded.model, {"label": "10,7,cat"}, meanings(loaded)) == {"label": [0, 2, 3]}
    with pytest.raises(HvaeError, match="no class named 'dog'"):
        numbers(loaded.model, {"label": "dog"}, meanings(loaded))


def test_they_travel_with_the_file_alone(run: Path, tmp_path: Path, command: Command) -> None:
    alone = shutil.copy(run / "model.safetensors", tmp_path / "alone.safetensors")
    words = ("-n", 2, "--seed", 1, "-o", tmp_path / "some.npy")
    pictures = []
    for context in ("label=10", "label=7", "label=2"):
        said = command("sample", alone, "--context", context, *words)
        assert said.code == 0 and "cannot be read" not in said.err, said.err
        pictures.append(np.load(tmp_path / "some.npy"))
    # 2 is no name, and the number of folder 7.
    assert np.array_equal(pictures[1], pictures[2]) and not np.array_equal(pictures[0], pictures[1])


def test_they_travel_with_what_is_given_away(run: Path) -> None:
    loaded = hvae.load(run)
    description = scrubber(loaded.config.to_dict(), loaded.description["data"], run).description(loaded.description)
    assert description["classes"] == list(FOLDERS)


def test_they_stand_in_an_exported_file(run: Path, tmp_path: Path) -> None:
    written = hvae.export(run, tmp_path / "decoder.pt2", to="pt2")
    kept = {METADATA: ""}
    torch.export.load(written.file, extra_files=kept)
    assert json.loads(kept[METADATA])["classes"] == list(FOLDERS)
