"""hvae score on images of other forms, on images that the model has met, and in both directions of a pair."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hvae import refine
from hvae.cli.main import main
from hvae.cli.shown_scores import ONE_WAY, ORACLE, shown
from hvae.config.data import DataConfig
from hvae.data import load
from hvae.data.images import Split
from hvae.distributions import Distribution
from hvae.study.score import score
from hvae.study.scoring.images import overlap

Command = Callable[..., Any]
MODEL = (
    "--model.latents 2,2 --model.widths 8,8 --model.norm none --objective.warmup.length 0 --objective.free_bits.nats 0"
)
COURSE = "--train.steps 2 --train.batch 16 --train.valid_size 10 --train.accelerator cpu"
FEW = ("--normal", 40, "-n", 20)


def train(folder: Path, *words: object) -> Path:
    options = f"--model.family lvae {MODEL} {COURSE} --evaluate.samples 2 --evaluate.limit 10 --json".split()
    with redirect_stdout(StringIO()):
        assert main(["train", "digits", "--out", str(folder), *map(str, words), *options]) == 0
    return folder


def saved(path: Path, *shape: int) -> Path:
    np.save(path, np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8))
    return path


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on bits that are drawn anew."""
    return train(tmp_path_factory.mktemp("drawing") / "drawing", "--data.name", "digits-dynamic")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on other data of another size: noise in 5x6 and 3 bits."""
    folder = tmp_path_factory.mktemp("stranger")
    words = ("--data.name", "npy", "--data.path", saved(folder / "noise.npy", 200, 5, 6), "--data.bits", 3)
    return train(folder / "stranger", *words)


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run, tmp_path / "copy")


def test_what_is_done_to_images_of_another_form_is_told(copy: Path, tmp_path: Path, command: Command) -> None:
    colour = saved(tmp_path / "colour.npy", 12, 48, 64, 3)
    scores = score(copy, colour, normal=40, number=20, by="nll")
    text = (
        "12 images of 3x48x64, 8 bits, brought to 1x8x8, 4 bits (cropped to a square, scaled, to grey, cut to 4 bits)"
    )
    assert shown(scores)[0] == text
    told = scores.to_dict()["brought"]
    assert told["from"] == [{"shape": [3, 48, 64], "bits": 8}] and told["to"] == {"shape": [1, 8, 8], "bits": 4}
    assert told["images"] == 12 and told["text"] == text
    assert told["steps"] == ["cropped to a square", "scaled", "to grey", "cut to 4 bits"]


def test_a_folder_of_several_forms_tells_them(copy: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "mixed").mkdir()
    for i, shape in enumerate([(20, 30, 3), (8, 8), (8, 8)]):
        Image.fromarray(np.full(shape, 99, np.uint8)).save(tmp_path / "mixed" / f"{i}.png")
    told = command("score", copy, "--data", tmp_path / "mixed", *FEW, "--json").json["brought"]
    assert told["text"].startswith("3 images of 3x20x30, 8 bits and 1x8x8, 8 bits, brought to 1x8x8, 4 bits (cropped")


def test_grey_is_drawn_for_a_model_of_drawn_bits(drawing: Path, tmp_path: Path, command: Command) -> None:
    # A threshold of grey at two fifths leaves nothing; a draw leaves two fifths, which need more nats.
    np.save(tmp_path / "grey.npy", np.full((40, 8, 8), 102, np.uint8))
    np.save(tmp_path / "black.npy", np.zeros((40, 8, 8), np.uint8))
    out = ("-o", tmp_path / "x.csv", "--normal", 40, "--json")
    said = command("score", drawing, "--data", tmp_path / "grey.npy", *out)
    assert said.json["brought"]["steps"] == ["drawn"] and said.json["data"]["binarisation"] == "dynamic"
    grey = np.genfromtxt(tmp_path / "x.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")["complexity"]
    assert len(set(grey.tolist())) > 30
    # Black pictures do not say their depth: they are read at that of the run's greys, as other files are.
    assert command("score", drawing, "--data", tmp_path / "black.npy", *out).json["brought"]["steps"] == ["drawn"]


def test_training_data_are_noticed_before_they_are_drawn(drawing: Path, tmp_path: Path, command: Command) -> None:
    # The greys of the set have 4 bits, those of the file 8: the values are the same.
    data = load(DataConfig(name="digits"))
    greys = [17 * split.levels(range(15)).numpy() for split in (data.train, data.valid, data.test)]
    np.save(tmp_path / "met.npy", np.concatenate(greys))
    out = ("-o", tmp_path / "x.csv", "--normal", 40)
    said = command("score", drawing, "--data", tmp_path / "met.npy", "--foreign", *out, "--json")
    assert said.code == 0, said.err
    assert [said.json[f"seen_in_{part}"] for part in ("training", "validation", "test")] == [15, 15, 15]
    assert "15 of these 45 images are training data: no test of anything" in said.err
    assert "15 of these 45 images are the validation data that set the threshold" in said.err
    assert "15 of these 45 images are the run's own test data: compared with themselves" in said.err


def test_own_validation_data_are_told_and_test_data_are_not(copy: Path, command: Command) -> None:
    said = command("score", copy, "--data", "valid", *FEW, "--json")
    assert said.json["seen_in_validation"] == 20 and "20 of these 20 images are the validation data" in said.err
    said = command("score", copy, "--data", "test", *FEW, "--json")
    assert said.json["seen_in_validation"] == 0 and "of these" not in said.err


def test_both_directions_of_a_pair(copy: Path, stranger: Path, command: Command) -> None:
    noise = stranger.parent / "noise.npy"
    scores = score(copy, noise, foreign=True, reverse=stranger, normal=40, number=20)
    found = scores.to_dict()
    assert set(found["detection"]) == set(found["reverse"]["detection"])
    forth, back = found["detection"]["nll"], found["reverse"]["detection"]["nll"]
    assert forth["foreign"] == back["foreign"] == forth["normal"] == back["normal"] == 20
    assert found["reverse"]["run"] == str(stranger) and found["reverse"]["by"] == "outside"
    assert found["reverse"]["data"]["name"] == found["normal"]["name"] == "digits"
    assert found["reverse"]["data"]["split"] == "test" and found["reverse"]["normal"]["name"] == "npy:noise.npy"
    text = "20 images of 1x8x8, 4 bits, brought to 1x5x6, 3 bits (cropped to 5:6, scaled, cut to 3 bits)"
    assert found["reverse"]["brought"]["text"] == text
    forward, said, back, last = shown(scores)[-4:]
    assert said == text and back.title.startswith(f"The reverse, by {stranger}: 20 foreign (positive)")
    assert len(forward.rows) == len(back.rows) and last == ORACLE and ONE_WAY not in shown(scores)


def test_one_direction_says_so_and_who_chose(copy: Path, stranger: Path, command: Command) -> None:
    said = command("score", copy, "--data", stranger.parent / "noise.npy", "--foreign", *FEW).out.splitlines()
    assert said[-2:] == [ONE_WAY, ORACLE]


def test_the_reverse_of_bits_that_are_drawn(copy: Path, drawing: Path, stranger: Path, command: Command) -> None:
    words = ("--foreign", "--data", stranger.parent / "noise.npy", *FEW, "--json", "--reverse", drawing)
    said = command("score", copy, *words)
    found = said.json["reverse"]
    assert found["brought"]["steps"] == ["drawn"] and found["data"]["binarisation"] == "dynamic"
    # Both runs are of the same digits: nothing is foreign here, and that is said.
    assert found["seen_in_test"] == 20 and "the reverse: 20 of these 20 images are the run's own" in said.err


def test_every_range_has_its_unit(copy: Path, stranger: Path) -> None:
    """Nats, bits and standard deviations stand in one table."""
    (ranges,) = (
        one
        for one in shown(score(copy, stranger.parent / "noise.npy", normal=40, number=6))
        if not isinstance(one, str)
    )
    assert ranges.heads[3] == "in"
    units = {row[0]: row[3] for row in ranges.rows}
    assert units.pop("kl") == "deviations" and units.pop("complexity") == "bits" and {*units.values()} == {"nats"}


def test_regret_is_a_score_like_any_other(copy: Path, stranger: Path, command: Command) -> None:
    few = ("--normal", 20, "-n", 6, "--regret", 2)
    words = ("score", copy, "--data", stranger.parent / "noise.npy", "--by", "regret", "--foreign", *few)
    said = command(*words, "--quantile", 0.925, "--json")
    assert said.code == 0, said.err
    assert said.json["by"] == "regret" and said.json["regret_steps"] == 2 and "regret" in said.json["detection"]
    assert Path(said.json["csv"]).read_text().splitlines()[0].endswith(",regret")
    assert "likelihood regret of validation data of copy ..." in said.err
    scores = score(copy, stranger.parent / "noise.npy", by="regret", normal=20, number=6, regret=2, quantile=0.925)
    assert "(regret above" in (line := shown(scores)[1]) and "nats, the 92.5 % quantile of validation data" in line


def test_a_regret_that_cannot_be_had_is_refused_at_once(
    copy: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fixed(q: Distribution) -> Tensor:
        raise refine._fixed(q)

    monkeypatch.setattr(refine, "place", fixed)
    said = command("score", copy, "--data", "test", "--regret", 3)
    assert said.code == 2 and "with a location and a scale to improve upon, got Normal" in said.err
    assert said.err.count("\n") == 1


def test_maps_of_vectors_are_refused_at_once(tmp_path: Path, command: Command) -> None:
    path = saved(tmp_path / "flat.npy", 100, 6)
    words = ("--data.name", "npy", "--data.path", path, "--data.bits", 1, "--model.likelihood", "bernoulli")
    folder = train(tmp_path / "flat", *words)
    said = command("score", folder, "--data", "test", "--maps", 2)
    assert said.code == 2 and "--maps: expected a model of images, got one of vectors of shape (6,)" in said.err
    assert said.err.count("\n") == 1


def split(values: torch.Tensor, **options: Any) -> Split:
    return Split(store=values, rows=torch.arange(len(values)), labels=None, depth=options.pop("depth", 8), **options)


def test_overlap_is_pixel_by_pixel_and_before_any_draw() -> None:
    store = torch.randint(256, (50, 1, 4, 4), dtype=torch.uint8)
    other = torch.cat([store[7:9], store[:1] ^ 1])
    assert overlap(split(store), split(other)) == 2
    assert overlap(split(store, dynamic=True), split(other)) == overlap(split(store), split(other, dynamic=True)) == 2
    assert overlap(split(store, dynamic=True), split((store > 127).byte(), depth=1)) == 0
    assert overlap(split(store), split(torch.zeros(3, 1, 5, 5, dtype=torch.uint8))) == 0
    few = torch.randint(16, (9, 1, 4, 4), dtype=torch.uint8)
    assert overlap(split(few, depth=4), split(17 * few)) == 9
