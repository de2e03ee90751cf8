"""The bound of a particle filter as a measure of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sequential

from hvae.cli.main import main
from hvae.config import RunConfig
from hvae.config.clockwork import CWVAEConfig
from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.sequences import VRNNConfig
from hvae.config.train import TrainConfig
from hvae.errors import HvaeError
from hvae.metrics import filter_bounds
from hvae.runs.subject import open_run
from hvae.study.evaluate import evaluate
from hvae.study.evaluation import read_evaluation
from hvae.study.measures.fivo import Fivo
from hvae.study.measures.likelihood import Likelihood
from hvae.study.train import train


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    rolls = sequential.rolls(tmp_path_factory.mktemp("data") / "rolls.npz")
    return RunConfig(
        model=VRNNConfig(latent=2, state=4, width=4),
        data=DataConfig(name="sequences", path=str(rolls)),
        train=TrainConfig(steps=4, batch=8, valid_every=4, accelerator="cpu"),
        evaluate=EvaluateConfig(samples=4, measures=("likelihood",)),
    )


@pytest.fixture(scope="module")
def folder(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(config, out=tmp_path_factory.mktemp("runs") / "run").folder


def test_it_is_the_bound_of_the_metric_beside_the_others(folder: Path) -> None:
    found = evaluate(folder, measures="likelihood,fivo", overrides={"evaluate.threshold": 0.9})
    fivo, likelihood = found.of(Fivo), found.of(Likelihood)
    assert fivo and likelihood and likelihood.steps
    subject = open_run(folder, {}, print)
    again = filter_bounds(subject.run.model, subject.split.batches(100), 4, threshold=0.9)
    assert fivo.negative_fivo_nats.mean == pytest.approx(again.negative_fivo_nats.mean, rel=1e-5)
    assert fivo.steps.frame_average.mean == pytest.approx(
        fivo.data * fivo.negative_fivo_nats.mean / likelihood.steps.steps
    )
    assert 0 < fivo.resampled <= 1


def test_another_threshold_leaves_the_other_numbers(folder: Path) -> None:
    """Never drawn anew it is IW-K of other draws, and the likelihood is not measured again."""
    found = evaluate(folder, measures="fivo", overrides={"evaluate.threshold": 0.0})
    fivo, likelihood = found.of(Fivo), found.of(Likelihood)
    assert fivo and likelihood and likelihood.steps and fivo.resampled == 0
    gap = fivo.steps.frame_average.mean - likelihood.steps.negative_iw_nats.frame_average.mean
    assert abs(gap) < 0.1 * likelihood.steps.negative_iw_nats.frame_average.mean


def test_the_rule_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(folder), "--evaluate.measures", "fivo", "--evaluate.threshold", "0.75"]) == 0
    assert "-FIVO-4 a frame" in capsys.readouterr().out
    notes = {line.name: line.note for line in read_evaluation(folder / "evaluation.json").headlines()}
    assert "4 particles, drawn anew below 3 effective ones" in notes["-FIVO-4 a frame"]


def test_a_ladder_in_time_is_refused(config: RunConfig, tmp_path: Path) -> None:
    ladder = replace(config, model=CWVAEConfig(latents=(2, 2), strides=(1, 2), state=4, width=4))
    folder = train(ladder, out=tmp_path / "run").folder
    with pytest.raises(HvaeError, match="fivo cannot be measured: .*vrnn, srnn and dmm go step by step"):
        evaluate(folder, measures="fivo")


@pytest.mark.parametrize("threshold", ["-0.1", "1.5", "nan"])
def test_a_threshold_is_a_share(folder: Path, threshold: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(folder), "--evaluate.measures", "fivo", "--evaluate.threshold", threshold]) == 2
    assert "evaluate.threshold" in capsys.readouterr().err
