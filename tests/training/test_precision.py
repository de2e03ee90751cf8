"""`train.precision auto`: what a machine is fast in, settled before a run begins and kept by it."""

from __future__ import annotations

from pathlib import Path

import pytest

import hvae
from hvae import processor
from hvae.config.train import TrainConfig
from hvae.training import precision


def machine(place: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(processor, "CPUINFO", place / "cpuinfo")
    (place / "cpuinfo").write_text(text)


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("flags\t\t: fpu avx2 avx512_bf16\n", "bf16"),
        ("flags\t\t: fpu amx_bf16 amx_tile\n", "bf16"),
        ("Features\t: fp asimd bf16\n", "bf16"),
        ("flags\t\t: fpu avx2 avx512_vbmi\n", "32"),
        ("model name : an avx512_bf16 of another kind\n", "32"),
        ("", "32"),
    ],
)
def test_a_processor_is_asked_for_its_instructions(
    text: str, chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(tmp_path, monkeypatch, text)
    config, line = precision.settled(TrainConfig(precision="auto", accelerator="cpu"))
    assert config.precision == chosen
    assert line.startswith(f"train.precision auto: {chosen}, for this processor")


def test_a_system_that_does_not_tell_takes_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "missing")
    assert precision.settled(TrainConfig(precision="auto", accelerator="cpu"))[0].precision == "32"


@pytest.mark.parametrize(("flags", "chosen"), [("avx512_bf16", "bf16"), ("avx2", "32")])
def test_a_run_keeps_which_precision_it_was_and_says_it(
    flags: str, chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(tmp_path, monkeypatch, f"flags : {flags}\n")
    lines: list[str] = []
    words = {"train.precision": "auto", "train.accelerator": "cpu", "train.steps": 2, "evaluate.measures": "likelihood"}
    run = hvae.train("digits", out=tmp_path / "run", overrides=words, tell=lines.append)
    assert f"precision: '{chosen}'" in (run.folder / "config.yaml").read_text().replace("bf16\n", "'bf16'\n")
    assert any(line.startswith(f"train.precision auto: {chosen}") for line in lines)
