"""Flows behind the commands: trained, measured and sampled from a run folder; and what is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hvae

Command = Callable[..., Any]
FLOW = ("--model.flow.prior", "spline", "--model.flow.posterior", "affine", "--model.flow.hidden", "8")


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of moments on digits with flows at both of its levels."""
    folder = tmp_path_factory.mktemp("pushed") / "run"
    small = {"model.family": "lvae", "model.latents": "4,2", "model.widths": "16,16", "model.norm": "none"}
    short = {"train.steps": 6, "train.batch": 16, "train.accelerator": "cpu", "train.valid_size": 20}
    charged = {"objective.free_bits.nats": 0, "objective.warmup.length": 0}
    measured = {"evaluate.measures": "likelihood", "evaluate.samples": 2, "evaluate.limit": 20}
    flow = {"model.flow.prior": "spline", "model.flow.posterior": "affine", "model.flow.hidden": 8}
    hvae.train("digits", out=folder, overrides={**small, **short, **charged, **measured, **flow})
    return folder


def test_a_run_with_flows_is_measured_and_sampled(pushed: Path, tmp_path: Path, command: Command) -> None:
    said = command("evaluate", pushed, "--evaluate.measures", "likelihood", "--json")
    assert said.code == 0, said.err
    assert json.loads((pushed / "evaluation.json").read_text())["step"] == 6
    said = command("sample", pushed, "-n", 2, "-t", 0.5, "-o", tmp_path / "few.npy")
    assert said.code == 0, said.err


def refused(command: Command, line: str, *words: object) -> None:
    said = command(*words)
    assert said.code == 2 and said.err.count("\n") == 1, said.err
    assert line in said.err


def test_what_flows_cannot_do_is_one_line(
    pushed: Path, tmp_path: Path, command: Command, tiny: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(command, "train with Gaussians (without flows)", "compress", pushed, "test", tmp_path / "x.hvz", "-n", 4)
    assert not (tmp_path / "x.hvz").exists()
    train = ("train", "digits", "--out", tmp_path / "none", *tiny)
    for line, words in {
        "no level named 'z9'; did you mean 'z2'": (*FLOW, "--model.flow.levels", "z9"),
        "model.flow.levels: expected each name once, got 'z1' twice": (*FLOW, "--model.flow.levels", "z1,z2,z1"),
        "there is no flow to place": ("--model.flow.levels", "z1"),
        "no choice named 'afine'; did you mean 'affine'": ("--model.flow.prior", "afine"),
        "expected at least 2, got 1": (*FLOW, "--model.flow.bins", "1"),
        "set model.flow.hidden or model.flow.transforms lower": (*FLOW, "--model.flow.hidden", "1000000,1000000"),
    }.items():
        refused(command, line, *train, *words)
    biva = ("--model.family", "biva", "--model.flow.prior", "affine")
    refused(command, "no key named 'model.flow'", "train", "digits", "--out", tmp_path / "none", *biva)
    monkeypatch.setitem(sys.modules, "zuko.flows", None)
    refused(command, "the package 'zuko' (extra 'flows') is not installed", *train, *FLOW)
    refused(command, "the package 'zuko' (extra 'flows') is not installed", "sample", pushed)
    assert not (tmp_path / "none").exists()
