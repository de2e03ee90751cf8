"""A ladder above text from training to files: what is told at once, and what step by step."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hvae.cli.main import main
from hvae.config import RunConfig, SeqLadderConfig
from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.train import TrainConfig
from hvae.data import load_sequences
from hvae.study.latents import decode_file, encode_images
from hvae.study.report import report
from hvae.study.samples import draw_samples
from hvae.study.score import score
from hvae.study.train import train


@pytest.fixture(scope="module", params=["factorised", "recurrent"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ladder")
    (folder / "a.txt").write_text("to be or not\nto be that\nis the\nquestion\nto sleep\nno more\n" * 4)
    config = RunConfig(
        model=SeqLadderConfig(
            likelihood="categorical", latents=(2, 3), strides=(2, 8), width=8, heads=2, state=8, decoder=request.param
        ),
        data=DataConfig(name="sequences", path=str(folder / "a.txt"), valid=3, test=4),
        train=TrainConfig(steps=2, batch=4, valid_every=0, accelerator="cpu"),
        evaluate=EvaluateConfig(samples=4),
    )
    return train(config, out=folder / "run").folder


def lines(run: Path) -> list[int]:
    """Steps of the test sequences, end tokens included."""
    data = load_sequences(DataConfig(name="sequences", path=str(run.parent / "a.txt"), valid=3, test=4))
    return [len(data.test.levels(i)) for i in range(4)]


def test_the_record_has_bounds_and_each_level_over_time(run: Path) -> None:
    record = json.loads((run / "evaluation.json").read_text())
    assert record["likelihood"]["steps"]["steps"] == sum(lines(run))
    rates = record["over_time"]["rates"]
    assert [[t for t, nats in enumerate(rates[name]) if nats is not None] for name in ("z2", "z1")] == [
        list(range(0, max(lines(run)), stride)) for stride in (8, 2)
    ]


def test_samples_are_texts_at_a_heat_of_each_level(run: Path, tmp_path: Path) -> None:
    found = draw_samples(run, number=3, out=tmp_path / "x.txt", temperature={"z2": 0.5, "z1": 0.0}, seed=0)
    assert found.to_dict()["temperature"] == {"z2": 0.5, "z1": 0.0}
    (tmp_path / "begun.txt").write_text("to be")
    draw_samples(run, number=3, out=tmp_path / "on.txt", beginning=tmp_path / "begun.txt", steps=19, seed=0)
    assert all(line.startswith("to be") for line in (tmp_path / "on.txt").read_text().splitlines() if line)


def test_a_page_and_scores(run: Path) -> None:
    assert "to be" in report(run).read_text("utf-8")
    assert score(run, "test", quantile=0.5).to_dict()["rows"] == 4


def test_latents_in_files(run: Path, tmp_path: Path) -> None:
    encode_images(run, "test", tmp_path / "z.npz", mode=True)
    arrays = np.load(tmp_path / "z.npz")
    for name, stride in (("z1", 2), ("z2", 8)):
        assert arrays[f"{name}_len"].tolist() == [-(-n // stride) for n in lines(run)]
    decode_file(run, tmp_path / "z.npz", tmp_path / "x.txt", levels=["z2"], seed=0)
    assert (tmp_path / "x.txt").is_file()


def test_text_is_compressed_and_comes_back(run: Path, tmp_path: Path) -> None:
    assert main(["compress", str(run), "test", str(tmp_path / "x.hvz")]) == 0
    assert main(["decompress", str(tmp_path / "x.hvz"), str(tmp_path / "x.npz")]) == 0
    assert np.load(tmp_path / "x.npz")["samples_len"].tolist() == lines(run)


def test_what_is_said_of_it_and_what_it_cannot(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(run)]) == 0
    printed = capsys.readouterr().out
    assert "z1" in printed and "z2" in printed
    assert main(["export", str(run), "--to", "pt2", "--out", str(tmp_path / "x.pt2")]) == 2
    assert "models of sequences walk one step after another" in capsys.readouterr().err
