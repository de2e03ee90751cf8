"""The measure of a conditional run, its page and its verdict: one that follows its class, one that ignores it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import hvae
from hvae.runs.subject import open_run
from hvae.study.measures.condition import Condition
from hvae.study.progress import bars
from hvae.study.work import Work

SMALL: dict[str, Any] = {
    **{"model.family": "vae", "model.latent": 8, "model.widths": "64", "model.likelihood": "dmol"},
    **{"objective.free_bits.nats": 0, "objective.warmup.length": 0, "train.accelerator": "cpu", "train.batch": 64},
    **{"evaluate.measures": "likelihood", "evaluate.samples": 2, "evaluate.limit": 100, "train.valid_size": 20},
}


def trained(folder: Path, steps: int, **keys: Any) -> Path:
    condition = {"model.condition.kind": "class", "model.condition.drop": 0.1, "train.steps": steps}
    hvae.train("digits", out=folder, overrides={**SMALL, **condition, **keys})
    return folder


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("told") / "run", 400)


def test_a_run_says_of_its_own_accord_whether_it_follows(told: Path) -> None:
    evaluation = json.loads((told / "evaluation.json").read_text())
    found = evaluation["condition"]
    assert found["samples"] == 1000 and list(found["by_class"]) == [str(k) for k in range(10)]
    assert found["right"] > 0.5 and found["information_nats"] > 0.5 * found["entropy_nats"]
    assert found["swapped_to_new"] > found["swapped_to_old"]  # a flat VAE tells its decoder
    page = (told / "report.html").read_text()
    assert evaluation["likelihood"]["given"] == ["label"] and "upper bound on -log p(x given label)" in page
    assert "Samples by class" in page and "I(y; samples)" in page


def test_a_model_that_ignores_its_class_is_told_so(told: Path, tmp_path: Path) -> None:
    run = hvae.load(told)
    for name, weight in run.model.named_parameters():
        if name.startswith("condition.networks"):
            torch.nn.init.zeros_(weight)
    object.__setattr__(run, "folder", tmp_path)
    evaluation = hvae.evaluate(run, measures="activity,condition")
    result = evaluation.of(Condition)
    assert result is not None and result.information_nats < 0.1
    assert "The model ignores its condition" in evaluation.conclusion


def test_it_needs_a_class(tmp_path: Path) -> None:
    folder = trained(tmp_path / "run", 2, **{"model.condition.kind": "none", "model.condition.drop": 0.0})
    assert "condition" not in json.loads((folder / "evaluation.json").read_text())
    with pytest.raises(hvae.HvaeError, match="condition cannot be measured: a model that is told one of 2 classes"):
        hvae.evaluate(folder, measures="condition")
    before = (folder / "evaluation.json").stat().st_mtime_ns
    hvae.report(folder)  # from the numbers that are there
    assert (folder / "evaluation.json").stat().st_mtime_ns == before


def test_a_class_of_too_few_pictures_for_a_judge_is_named(told: Path) -> None:
    subject = open_run(told, {}, str)
    train = subject.images.train
    assert train.labels is not None
    few = train.some(torch.cat([(train.labels != 4).nonzero()[:, 0], (train.labels == 4).nonzero()[:2, 0]]))
    poor = replace(subject, data=replace(subject.images, train=few))
    assert Condition().obstacle(Work(subject, bars(None))) == ""
    line = Condition().obstacle(Work(poor, bars(None)))
    assert line == "a judge needs 5 pictures of each class to learn from, got 2 of 4"
