"""Runs of codes: trained in two stages, measured, sampled, and written into files."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import hvae
from hvae.config.presets import preset
from hvae.errors import HvaeError
from hvae.study.beforehand import check_parts

Command = Callable[..., Any]
FIRST = (
    *("--model.family", "vqvae2", "--model.strides", "2,2", "--model.codes", 8, "--model.dims", 4),
    *("--model.width", 8, "--model.hidden", 4, "--model.blocks", 1, "--model.prior_width", 8),
    *("--model.prior_layers", 1, "--model.likelihood", "gaussian", "--objective.warmup.length=0"),
    *("--objective.free_bits.nats", 0, "--train.steps", 6, "--train.batch", 16, "--train.accelerator", "cpu"),
    *("--train.valid_size", 20, "--evaluate.samples", 1, "--evaluate.limit", 30, "--evaluate.pairs", 8),
)


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("codes")
    first, second = folder / "first", folder / "second"
    hvae.train("digits", out=first, overrides=dict(options(FIRST)))
    two = {"model.prior": "transformer", "train.init": str(first), "train.only": "prior"}
    hvae.train(first, out=second, overrides=two)
    return first, second


def options(words: tuple[object, ...]) -> list[tuple[str, str]]:
    """The options of a command as keys and values."""
    whole = " ".join(map(str, words)).replace("=", " ").split()
    return [(key.removeprefix("--"), value) for key, value in zip(whole[::2], whole[1::2], strict=True)]


def test_the_use_of_codes_is_logged_and_measured(stages: tuple[Path, Path], command: Command) -> None:
    header = (stages[0] / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"perplexity/z2", "perplexity/z1", "dead/z2", "dead/z1"} <= set(header)
    found = command("evaluate", stages[0], "--json").json["codebook"]["levels"]
    assert [level["bits"]["mean"] for level in found.values()] == pytest.approx([3.0, 3.0])
    assert all(1 <= level["perplexity"] <= 8 for level in found.values())
    later = command("evaluate", stages[1], "--json").json["codebook"]
    assert not any(level["is_uniform"] for level in later["levels"].values())


def test_the_page_shows_the_codebooks(stages: tuple[Path, Path]) -> None:
    page = (stages[0] / "report.html").read_text()
    assert "The codebooks in use" in page and "Maps of codes" in page and "What the top levels know" in page
    assert "of codes, one at each position of the map" in page


def test_a_code_counts_as_one(stages: tuple[Path, Path], command: Command) -> None:
    """Never each of its 4 numbers: the top map has 2 x 2 codes."""
    found = command("evaluate", stages[0], "--evaluate.measures", "activity,likelihood", "--json").json
    level = found["activity"]["levels"]["z2"]
    assert level["noun"] == "codes" and level["dims"] == level["used_dims"] == 4
    assert found["likelihood"]["levels"]["z2"]["rate_nats_per_dim"] == pytest.approx(math.log(8))
    assert "4 of 4 codes spend nats" in (stages[0] / "report.html").read_text()


def test_samples_name_a_uniform_prior(stages: tuple[Path, Path], command: Command, tmp_path: Path) -> None:
    first, second = stages
    said = command("sample", first, "-n", 2, "--seed", 1, "-o", tmp_path / "a.png")
    assert said.code == 0
    assert "z2: uniform prior over 8 codes, since none is trained" in said.err
    found = command("sample", first, "-n", 2, "--seed", 1, "-o", tmp_path / "a.png", "--json").json
    assert found["uniform_priors"] == {"z2": 8, "z1": 8}
    said = command("sample", second, "-n", 2, "--seed", 1, "-o", tmp_path / "b.png", "--temperature.z2", 0.5)
    assert said.code == 0 and "uniform" not in said.err


def test_samples_of_the_most_probable_codes(stages: tuple[Path, Path], command: Command, tmp_path: Path) -> None:
    first, second = stages
    out = tmp_path / "c.png"
    made = command("sample", second, "-n", 2, "-o", out, "--top-k", 3, "--top-p", "z1=0.5", "--json")
    assert made.code == 0, made.err
    assert made.json["among"] == {"z2": {"k": 3, "p": 1.0}, "z1": {"k": 3, "p": 0.5}}
    out.unlink()
    for run, words, line in (
        (second, ("--top-k", 9), "z2: top-k: expected 1 to 8, the codes of the book, got 9"),
        (second, ("--top-p", "z9=0.5"), "no level named 'z9'"),
        (second, ("--top-k", "many"), "--top-k"),
        (first, ("--top-k", 3), "z2: top-k and top-p need a trained prior"),
    ):
        asked = command("sample", run, "-n", 2, "-o", out, *words)
        assert asked.code == 2 and line in asked.err and not out.exists()


def test_files_of_codes_come_back(stages: tuple[Path, Path], command: Command, tmp_path: Path) -> None:
    levels = np.arange(640, dtype=np.uint8).reshape(10, 1, 8, 8) % 16
    np.save(tmp_path / "in.npy", levels)
    for run in stages:
        asked = command("compress", run, tmp_path / "in.npy", tmp_path / "out.hvz")
        assert asked.code == 2 and "expected --quality all, or 1 to 2 of its levels" in asked.err
        made = command("compress", run, tmp_path / "in.npy", tmp_path / "out.hvz", "--quality", "all", "--json")
        assert made.code == 0, made.err
        assert [level["name"] for level in made.json["levels"]] == ["z2", "z1"] and made.json["psnr"] > 0
        done = command("decompress", tmp_path / "out.hvz", tmp_path / f"{run.name}.npy", "--levels", 1, "--json")
        assert done.code == 0 and done.json["levels_written"] == 2, done.err
    swapped = command("decompress", tmp_path / "out.hvz", tmp_path / "other.npy", "--run", stages[0])
    assert swapped.code == 2 and "another model" in swapped.err and not (tmp_path / "other.npy").exists()


def test_a_second_stage_may_hear_classes(stages: tuple[Path, Path], command: Command, tmp_path: Path) -> None:
    first, heard = stages[0], tmp_path / "heard"
    two = ("--model.prior", "transformer", "--train.init", first, "--train.only", "prior,condition")
    told = ("--model.condition.kind", "class", "--model.condition.drop", 0.1)
    made = command("train", first, *two, *told, "--model.condition.enters", "priors", "--out", heard)
    assert made.code == 0, made.err
    before, after = (load_file(run / "model.safetensors") for run in (first, heard))
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    drawn = command("sample", heard, "-n", 3, "--context", "label=3", "--top-k", 4, "-o", tmp_path / "threes.png")
    assert drawn.code == 0, drawn.err
    free = command("sample", heard, "-n", 3, "-o", tmp_path / "any.png")
    assert free.code == 0, "nothing need be known"
    for words, line in (
        (("sample", heard, "-n", 2, "--context", "label=10"), "label"),
        (("sample", heard, "-n", 2, "--context", "colour=1"), "colour"),
        (("sample", stages[1], "-n", 2, "--context", "label=3"), "no conditions"),
        (("train", first, *told, "--model.condition.enters", "priors"), "no prior can hear a condition"),
        (("train", first, "--model.condition.enters", "priors"), "there is no condition to enter"),
        (("train", first, *told, "--model.condition.enters", "prior"), "model.condition.enters"),
    ):
        said = command(*words, "--out", tmp_path / "nothing.png")
        assert said.code == 2 and said.err.count("\n") == 1 and line in said.err, said.err
        assert not (tmp_path / "nothing.png").exists()


def test_a_codebook_larger_than_the_first_batch_is_refused(command: Command, tmp_path: Path) -> None:
    books = (("--train.batch", 16), ("--train.batch", 16, "--model.codebook", "gradient"))
    for words in (*books, ("--train.batch", 64, "--train.accumulate", 4), ("--train.batch", 16, "--dry-run")):
        said = command("train", "digits", "--out", tmp_path / "run", *FIRST, "--model.codes", 65, *words)
        assert said.code == 2 and said.err.count("\n") == 1, said.err
        assert "65 codes start at vectors of the first batch, which has 64 (16 data, 4 positions)" in said.err
        assert not (tmp_path / "run").exists()


def test_a_run_that_has_its_codes_goes_on_with_a_smaller_batch(
    stages: tuple[Path, Path], command: Command, tmp_path: Path
) -> None:
    few = ("--train.batch", 2, "--train.steps", 2, "--evaluate.measures", "likelihood")
    begun = command("train", stages[0], "--train.init", stages[0], *few, "--out", tmp_path / "run")
    assert begun.code == 0, begun.err
    resumed = command("train", tmp_path / "run", "--resume", "--train.steps", 3)
    assert resumed.code == 0, resumed.err


def test_it_is_refused_before_data_are_read() -> None:
    config = preset("digits").override({"model.family": "vqvae", "model.codes": 999, "train.batch": 2})
    with pytest.raises(HvaeError, match="999 codes start"):
        check_parts(config)
