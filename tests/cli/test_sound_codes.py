"""Runs of codes of sound: two stages, classes, samples, bitrates and files, and what is refused."""

from __future__ import annotations

import wave
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hvae.cli.main import main

Command = Callable[..., Any]
SMALL = (
    *("--model.codes", 8, "--model.dims", 4, "--model.width", 8, "--model.hidden", 4, "--model.blocks", 1),
    *("--model.stride", 4, "--model.depth", 2, "--data.frame", 4, "--data.chunk", 40, "--data.bucket", 0),
    *("--train.steps", 4, "--train.batch", 8, "--train.valid_every", 4, "--train.save_every", 4),
    *("--train.accelerator", "cpu", "--train.valid_size", 4, "--evaluate.measures", "likelihood,bitrates"),
)
PRIOR = (
    *("--model.prior", "transformer", "--model.prior_width", 8, "--model.prior_layers", 1, "--model.dropout", 0),
    *("--train.steps", 30, "--train.lr", 1e-2, "--train.warmup", 2, "--train.ema", 0.5, "--train.valid_every", 30),
)
CLASS = ("--model.condition.kind", "class", "--model.condition.enters", "priors", "--model.condition.drop", 0.1)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings in the form of the spoken digits, each digit a tone of its own."""
    folder = tmp_path_factory.mktemp("fsdd")
    with zipfile.ZipFile(folder / "fsdd_4speakers.zip", "w") as archive:
        for digit in range(3):
            for take in range(14):
                place, time = folder / f"{digit}_a_{take}.wav", np.arange(320 + 16 * take)
                with wave.open(str(place), "wb") as file:
                    file.setparams((1, 2, 8000, 0, "NONE", ""))
                    file.writeframes((9000 * np.sin(0.1 * (digit + 1) * time)).astype("<i2").tobytes())
                archive.write(place, place.name)
    return folder


@pytest.fixture(scope="module")
def stages(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    first, second = folder / "first", folder / "second"
    for words in (
        ("speech-rqvae", "--data.root", digits, *SMALL, "--out", first),
        (first, "--train.init", first, "--train.only", "prior,condition", *PRIOR, *CLASS, "--out", second),
    ):
        assert main(["train", *map(str, words)]) == 0
    return first, second


def test_the_second_stage_leaves_the_codec_as_it_is(stages: tuple[Path, Path]) -> None:
    before, after = (load_file(run / "model.safetensors") for run in stages)
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_codes_cost_less_and_show_the_same(stages: tuple[Path, Path], command: Command) -> None:
    rates = [command("evaluate", run, "--json").json["bitrates"]["rates"] for run in stages]
    assert rates[1][-1]["bits_per_second"] < 0.9 * rates[0][-1]["bits_per_second"]
    assert rates[1][-1]["si_sdr_db"]["mean"] == pytest.approx(rates[0][-1]["si_sdr_db"]["mean"], rel=1e-3)


def test_samples_of_a_class(stages: tuple[Path, Path], command: Command, tmp_path: Path) -> None:
    drawn = command("sample", stages[1], "-n", 2, "--context", "label=2", "--top-k", 4, "-o", tmp_path / "a.npz")
    assert drawn.code == 0 and "uniform prior" not in drawn.err, drawn.err
    drawn = command("sample", stages[0], "-n", 2, "-o", tmp_path / "b.npz")
    assert drawn.code == 0 and "uniform prior, since none is trained" in drawn.err


def test_a_file_takes_the_bits_of_the_prior(stages: tuple[Path, Path], command: Command, tmp_path: Path) -> None:
    first, second = stages
    file, words = tmp_path / "all.hvz", ("--quality", "all", "--json")
    spent = [command("compress", run, "test", file, *words).json["levels"] for run in (first, second)]
    for uniform, prior in zip(*spent, strict=True):
        assert uniform["bits"] / 3 == pytest.approx(round(uniform["bits"] / 3)), "three bits a code"
        assert prior["bits"] < uniform["bits"]
        assert -1 < 8 * prior["bytes"] - prior["bits"] < 64 + 0.005 * prior["bits"]
    done = command("decompress", file, tmp_path / "back", "--levels", 1)
    assert done.code == 0 and len(list((tmp_path / "back").glob("*.wav"))) == 15, done.err
    for words, line in (
        (("decompress", file, tmp_path / "other", "--run", first), "another model"),
        (("decompress", file, tmp_path / "other", "--context", "label=1"), "other probabilities"),
        (("compress", second, "test", tmp_path / "x.hvz", "--quality", 3), "--quality: expected all, or 1 to 2 lev"),
    ):
        said = command(*words)
        assert said.code == 2 and line in said.err.splitlines()[-1], said.err
        assert not (tmp_path / "other").exists() and not (tmp_path / "x.hvz").exists()


def test_what_is_refused_before_there_is_a_folder(
    stages: tuple[Path, Path], digits: Path, command: Command, tmp_path: Path
) -> None:
    first, second = stages
    init = ("train", first, "--train.init", first, "--train.only", "prior")
    for words, line in (
        ((*init, "--model.prior", "transformer"), "model.dropout: expected 0 with model.prior transformer"),
        ((*init, "--model.prior", "pixelsnail", "--model.dropout", 0), "expected uniform or transformer for sound"),
        (init, "model.prior is uniform, which has no weights"),
        ((*init, *PRIOR, "--model.condition.kind", "vector"), "vector needs numbers beside each datum"),
        (("train", first, *CLASS), "no prior can hear a condition"),
        (("train", first, "--model.condition.kind", "text"), "text needs captions, and fsdd has none"),
        (("sample", second, "--top-k", 9), "top-k: expected 1 to 8, the codes of the book, got 9"),
        (("sample", first, "--top-k", 2), "top-k and top-p need a trained prior"),
        (("sample", second, "--context", "label=10"), "label"),
    ):
        said = command(*words, "--out", tmp_path / "nothing.npz")
        assert said.code == 2 and said.err.count("\n") == 1 and line in said.err, said.err
        assert not (tmp_path / "nothing.npz").exists()
