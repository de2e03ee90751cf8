"""Scores of sequences: in nats a step, by the same rule as those of images."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sequential
import torch

from hvae.cli.main import main
from hvae.config import RunConfig
from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.train import TrainConfig
from hvae.data import load_sequences
from hvae.metrics.outliers import measure
from hvae.study.score import score
from hvae.study.train import TrainedRun, train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainedRun]:
    folder = tmp_path_factory.mktemp("scored")
    rolls = sequential.rolls(folder / "rolls.npz", {"train": 40, "valid": 30, "test": 6})
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    config = RunConfig(
        model=sequential.StepsConfig(),
        data=DataConfig(name="sequences", path=str(rolls)),
        train=TrainConfig(steps=6, batch=8, valid_every=0, accelerator="cpu"),
        evaluate=EvaluateConfig(samples=1, batch=4, measures=("likelihood",)),
    )
    yield train(config, out=folder / "run")
    torch.set_num_threads(threads)


def test_a_score_is_the_bound_of_the_sequence_over_its_steps(trained: TrainedRun) -> None:
    """A model that says nothing needs a bit a key: as many nats a step, however long the sequence and its padding."""
    data = load_sequences(DataConfig(name="sequences", path=str(trained.folder.parent / "rolls.npz")))
    model = sequential.Steps(data.shape, 3)
    for weights in model.parameters():
        torch.nn.init.zeros_(weights)
    found = measure(model, data.test.batches(6), bits=1)
    torch.testing.assert_close(found.log_p, torch.full((6,), -sequential.KEYS * np.log(2)).double(), atol=1e-6, rtol=0)
    assert found.steps is not None and found.steps.tolist() == data.test.lengths.tolist() and found.png is None


def test_both_averages_and_the_table(trained: TrainedRun, tmp_path: Path) -> None:
    found = score(trained.folder, "test", out=tmp_path / "s.csv")
    whole, steps = found.whole, found.steps
    assert whole and steps is not None and found.noun == "sequences"
    nats = found.scores["nll"] * steps
    assert whole.sequence.mean == pytest.approx(float(nats.mean()))
    assert whole.frame_average.mean == pytest.approx(float(nats.sum() / steps.sum()))
    assert whole.sequence_mean.mean == pytest.approx(float(found.scores["nll"].mean()))
    assert whole.frame_average.mean != pytest.approx(whole.sequence_mean.mean, abs=1e-6)
    with open(tmp_path / "s.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["nats"]) for row in rows] == pytest.approx(nats.tolist(), rel=1e-5)
    assert [int(row["steps"]) for row in rows] == steps.long().tolist()
    assert found.to_dict()["nats"]["frame_average"]["mean"] == whole.frame_average.mean


def test_sequences_of_a_file_that_sound_on_every_key_are_foreign(trained: TrainedRun, tmp_path: Path) -> None:
    np.savez(tmp_path / "full.npz", test=np.ones((3, 200, 4)), train=np.zeros((2, 5, 4)))
    found = score(trained.folder, tmp_path / "full.npz", foreign=True)
    assert len(found) == 3 and found.comparison.data.split == "test" and found.foreign == 3
    assert found.comparison.detection and found.comparison.detection["nll"].auroc == 1.0


def test_training_data_are_known_again(trained: TrainedRun) -> None:
    told: list[str] = []
    score(trained.folder, "train", tell=told.append)
    assert any("of these 40 sequences are training data" in line for line in told)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--maps", "2"), "--maps is for images"),
        (("--regret", "2"), "--regret is for images"),
        (("--foreign", "--reverse", "RUN"), "--reverse is for images"),
        (("--data", "mnist"), "nothing at mnist"),
        (("--data", "nottingham"), "expected steps"),
        (("--data", "tiny-shakespeare"), "tiny-shakespeare is of text, and this run of rolls"),
        (("--by", "complexity"), "no score named 'complexity'"),
    ],
)
def test_what_is_of_images_alone_is_refused(
    trained: TrainedRun, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str], data_root: Path
) -> None:
    data = () if "--data" in words else ("--data", "NEW")
    new = sequential.rolls(trained.folder.parent / "new.npz", {"test": 2, "train": 2})
    given = [{"RUN": str(trained.folder), "NEW": str(new)}.get(word, word) for word in (*data, *words)]
    assert main(["score", str(trained.folder), *given, "--data.root", str(data_root)]) == 2
    assert message in capsys.readouterr().err
