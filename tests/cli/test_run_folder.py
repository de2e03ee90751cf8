"""A run from end to end: what train leaves behind, and what the other commands make of it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import hvae
from hvae.config import RunConfig
from hvae.training import FitResult

Command = Callable[..., Any]

RESULT = FitResult(
    step=3,
    seconds=1.0,
    samples_per_second=1.0,
    peak_memory=1,
    skipped=0,
    dropped=0,
    rollbacks=0,
    stopped="interrupt",
    last={"loss": float("nan")},
    notes=(),
)


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run, tmp_path / "copy")


def test_training_leaves_a_whole_folder(trained: tuple[Path, Any]) -> None:
    folder, said = trained
    assert said.code == 0, said.err
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "config.yaml",
        "model.safetensors",
        "last.ckpt",
        "metrics.csv",
        "provenance.json",
        "evaluation.json",
        "report.html",
        "pictures",
    }
    assert {"samples.png", "top-held.png"} <= {path.name for path in (folder / "pictures").iterdir()}


def test_training_answers_machines_with_one_object(trained: tuple[Path, Any]) -> None:
    folder, said = trained
    found = said.json
    assert found["run"] == str(folder) and found["report"] == str(folder / "report.html")
    assert found["training"]["step"] == 6 and found["training"]["stopped"] == "steps"
    assert found["evaluation"] == json.loads((folder / "evaluation.json").read_text())
    assert "run folder" in said.err and "likelihood" in said.err


def test_the_configuration_is_complete(run: Path) -> None:
    config = RunConfig.load(run / "config.yaml")
    assert config.model.family == "lvae" and config.train.steps == 6
    assert (run / "config.yaml").read_text().startswith("# A complete hvae run")
    assert config.to_dict() == hvae.load(run).config.to_dict()


def test_provenance_says_by_what_and_on_what(run: Path) -> None:
    record = json.loads((run / "provenance.json").read_text())
    assert record["packages"]["torch"] == torch.__version__
    assert record["data"]["name"] == "digits" and len(record["data"]["checksums"]["test"]) == 64
    assert record["machine"]["cores"] >= 1 and record["seed"] == 0
    assert record["training"]["seconds"] > 0 and record["training"]["step"] == 6
    assert record["parameters"] == sum(p.numel() for p in hvae.load(run).model.parameters())


def test_evaluation_carries_units_bounds_and_data(run: Path) -> None:
    found = json.loads((run / "evaluation.json").read_text())
    assert found["likelihood"]["samples"] == 3 and found["likelihood"]["data"] == 30
    assert found["likelihood"]["negative_iw_nats"]["mean"] <= found["likelihood"]["negative_elbo_nats"]["mean"]
    assert "nats" in found["units"]["negative_elbo_nats"]
    assert found["data"]["bits"] == 4 and found["split"] == "test" and found["step"] == 6
    assert list(found["activity"]["levels"]) == ["z2", "z1"]
    assert 0 < found["coarse_to_fine"]["top_held"] <= 1 and "mlp on pixels" in found["coarse_to_fine"]["classifier"]


def test_the_report_names_the_levels_and_the_command(run: Path) -> None:
    page = (run / "report.html").read_text()
    assert "lvae on digits" in page and "IW-3" in page and "z2" in page
    assert f"hvae report {run}" in page


def test_loading_gives_the_averaged_model_in_evaluation_mode(run: Path) -> None:
    loaded = hvae.load(run)
    assert not loaded.model.training and loaded.step == 6 and loaded.bits == 4
    assert loaded.folder == run and loaded.description["shape"] == [1, 8, 8]
    assert hvae.load(run / "model.safetensors").config == loaded.config
    assert loaded.model(torch.zeros(2, 1, 8, 8)).elbo().isfinite().all()


def test_evaluating_again_gives_the_same_numbers(copy: Path, command: Command) -> None:
    before = json.loads((copy / "evaluation.json").read_text())
    said = command("evaluate", copy, "--json")
    assert said.code == 0
    assert {**said.json, "seconds": 0} == {**before, "seconds": 0}
    few = command("evaluate", copy, "--evaluate.limit=9", "--evaluate.samples=1", "--evaluate.split", "valid")
    assert "9 valid data of digits" in few.out and "-IW-1" in few.out
    assert json.loads((copy / "evaluation.json").read_text())["likelihood"]["data"] == 9


def test_a_report_measures_only_what_is_not_known(copy: Path, command: Command) -> None:
    (copy / "report.html").unlink()
    said = command("report", copy, "--json")
    assert said.json == {"report": str(copy / "report.html")} and (copy / "report.html").is_file()
    assert "likelihood" not in said.err
    (copy / "evaluation.json").write_text("{broken")
    assert "is damaged or cannot be read" in command("report", copy).err
    (copy / "evaluation.json").unlink()
    assert "likelihood" in command("report", copy).err


def test_data_that_are_not_the_trainings_are_refused_or_named(copy: Path, command: Command) -> None:
    config = RunConfig.load(copy / "config.yaml").override({"evaluate.limit": 5})
    loaded = hvae.load(copy)
    other = config.override({"data.bits": 2, "evaluate.limit": 5})
    resaved(copy, {**loaded.description, "config": other.to_dict()})
    assert "takes images of (1, 8, 8) with 4 bits, got (1, 8, 8) with 2 bits from digits" in (
        command("evaluate", copy).err
    )
    other = config.override({"data.test": 50, "evaluate.samples": 1})
    resaved(copy, {**loaded.description, "config": other.to_dict()})
    said = command("evaluate", copy)
    assert said.code == 0 and "these are not the data of the training: version, test checksum differ" in said.err


def test_samples_are_those_of_their_seed(copy: Path, command: Command) -> None:
    def drawn(*words: object) -> bytes:
        assert command("sample", copy, "-n", 3, *words).code == 0
        return (copy / "samples.png").read_bytes()

    assert drawn("--seed", 1) == drawn("--seed", 1) != drawn("--seed", 2)
    assert drawn("--seed", 1) != drawn("--seed", 1, "--temperature", "0.5")
    assert drawn("--seed", 1, "-t", "z2=0.5") == drawn("--seed", 1, "--temperature.z2", "0.5")
    assert drawn("--seed", 1, "-t", 0.5) == drawn("--seed", 1, "-t", "z1=0.5,z2=0.5")


def test_sampling_tells_file_and_seed(copy: Path, command: Command) -> None:
    found = command("sample", copy, "-n", 2, "-o", copy / "some.npy", "--pixels", "--json").json
    again = command("sample", copy, "-n", 2, "-o", copy / "same.npy", "--pixels", "--seed", found["seed"])
    assert again.code == 0 and found["file"] == str(copy / "some.npy")
    assert (copy / "some.npy").read_bytes() == (copy / "same.npy").read_bytes()


def test_sampling_refuses_what_the_model_has_not(run: Path, command: Command) -> None:
    assert "no level named 'z9'" in command("sample", run, "--temperature.z9", 1).err
    assert "expected a file name that ends in .png, .jpg, .jpeg, .npy" in command("sample", run, "-o", "x.gif").err
    assert "--number: expected at least 1, got 0" in command("sample", run, "-n", 0).err


def test_a_run_is_never_written_over(run: Path, command: Command) -> None:
    before = (run / "model.safetensors").read_bytes()
    for words in (("train", "digits", "--out", run), ("train", run)):
        said = command(*words)
        assert said.code == 2 and "already exists; go on with it by --resume" in said.err
    assert (run / "model.safetensors").read_bytes() == before


def test_resuming_goes_on_and_keeps_its_model(copy: Path, command: Command) -> None:
    said = command("train", copy, "--resume", "--train.steps", 8)
    assert said.code == 0 and "resumed at step 6" in said.err
    assert hvae.load(copy).step == 8 and len(list(csv.reader(open(copy / "metrics.csv")))) >= 3  # noqa: SIM115
    record = json.loads((copy / "provenance.json").read_text())
    assert len(record["commands"]) == 2 and record["training"]["step"] == 8
    refused = command("train", copy, "--resume", "--model.latents", "5,2")
    assert "has model.latents [4, 2], not [5, 2]; a resumed run keeps it" in refused.err
    refused = command("train", "digits", "--out", copy, "--resume")
    assert refused.code == 2 and "a resumed run keeps it" in refused.err


def test_looking_at_a_finished_run_keeps_its_record(copy: Path, command: Command) -> None:
    before = json.loads((copy / "provenance.json").read_text())["training"]
    assert command("train", "--resume", "--out", copy).code == 0
    assert json.loads((copy / "provenance.json").read_text())["training"] == before


def test_an_interrupted_run_says_how_to_go_on(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"

    def interrupted(*_: object, on_start: Callable[[], None], **__: object) -> FitResult:
        on_start()
        return RESULT

    monkeypatch.setattr("hvae.training.fit", interrupted)
    said = command("train", "digits", "--out", folder)
    assert said.code == 130
    assert said.err.splitlines()[-1] == f"hvae: stopped; at step 3; go on with: hvae train {folder} --resume"
    record = json.loads((folder / "provenance.json").read_text())
    assert record["training"]["stopped"] == "interrupt" and not (folder / "evaluation.json").exists()

    def impatient(*_: object, **__: object) -> FitResult:
        raise KeyboardInterrupt

    monkeypatch.setattr("hvae.training.fit", impatient)
    said = command("train", folder, "--resume")
    assert said.code == 130 and f"go on with: hvae train {folder} --resume" in said.err


@pytest.mark.parametrize("name", ["measure_all", "write"])
def test_an_interrupt_after_the_last_step_says_how_to_go_on(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch, name: str, tiny: tuple[str, ...]
) -> None:
    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"hvae.study.train.{name}", stop)
        said = command("train", "digits", "--out", tmp_path / "run", *tiny)
    assert said.code == 130
    assert said.err.splitlines()[-1].endswith(f"it is trained; measure it with: hvae train {tmp_path / 'run'} --resume")
    assert command("train", tmp_path / "run", "--resume").code == 0
    assert (tmp_path / "run" / "report.html").is_file()


def test_too_little_memory_is_advice(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: object, **__: object) -> FitResult:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr("hvae.training.fit", greedy)
    said = command("train", "digits", "--out", tmp_path / "run")
    assert said.code == 2 and "raise --train.accumulate" in said.err

    def faulty(*_: object, **__: object) -> FitResult:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr("hvae.training.fit", faulty)
    with pytest.raises(RuntimeError, match="a bug of ours"):
        command("train", "digits", "--out", tmp_path / "other")


def test_a_second_process_neither_speaks_nor_measures(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text("made by the first process")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr("hvae.training.fit", lambda *_, **__: replace(RESULT, stopped="steps"))
    said = command("train", "digits", "--out", folder, "--json", "--train.accelerator=cpu", "--train.devices=2")
    assert said == (0, "", "")
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]


def test_a_wrong_wish_leaves_no_folder_behind(tmp_path: Path, command: Command) -> None:
    said = command("train", "mnist", "--data.download", "false", "--data.root", tmp_path, "--out", tmp_path / "run")
    if said.code:
        assert "found nowhere" in said.err and not (tmp_path / "run").exists()


def test_an_objective_for_levels_that_are_not_there_leaves_no_folder(tmp_path: Path, command: Command) -> None:
    said = command("train", "digits", "--objective.beta", "z9=2,z1=1", "--out", tmp_path / "run")
    assert said.code == 2 and "objective.beta: no level named 'z9'" in said.err
    assert not (tmp_path / "run").exists()


# Weights that do not fit their description.


def resaved(folder: Path, description: dict[str, Any], **tensors: torch.Tensor | None) -> None:
    from hvae.weights import load_weights, save_weights

    path = folder / "model.safetensors"
    kept = {**load_weights(path)[0], **tensors}
    save_weights(path, {name: value for name, value in kept.items() if value is not None}, description)


def test_damaged_weights_are_one_line(copy: Path, command: Command) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    for name in ("evaluate", "sample", "report"):
        said = command(name, copy)
        assert said.code == 2 and "is damaged or not an hvae weight file" in said.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": {"schema": 9}}, "its description cannot be used: schema"),
        ({"config": {"model": {"family": "lvae", "latents": [4]}}}, "its description cannot be used: model.latents"),
        ({"shape": [3, 8, 8]}, "has shape"),
        ({"bits": "many"}, "its description cannot be used"),
    ],
)
def test_a_description_that_does_not_fit(change: dict[str, Any], message: str, copy: Path) -> None:
    resaved(copy, {**hvae.load(copy).description, **change})
    with pytest.raises(hvae.HvaeError, match=message) as fault:
        hvae.load(copy)
    assert "\n" not in str(fault.value)


def test_weights_that_do_not_fit(copy: Path) -> None:
    description = dict(hvae.load(copy).description)
    name = next(iter(hvae.load(copy).model.state_dict()))
    shape = hvae.load(copy).model.state_dict()[name].shape
    for value, message in (
        (None, "1 missing"),
        (torch.zeros(1, 2, 3), "has shape .1, 2, 3., the model wants"),
        (torch.full(shape, torch.nan), "holds values that are not finite"),
    ):
        broken = copy.with_name(f"broken-{message[:2]}")
        shutil.copytree(copy, broken)
        resaved(broken, description, **{name: value})
        with pytest.raises(hvae.HvaeError, match=message):
            hvae.load(broken)
    resaved(copy, description, more=torch.zeros(1))
    with pytest.raises(hvae.HvaeError, match=r"1 unknown \(more\)"):
        hvae.load(copy)
    resaved(copy, {key: value for key, value in description.items() if key != "step"}, more=None)
    with pytest.raises(hvae.HvaeError, match="does not say its step"):
        hvae.load(copy)


def test_training_measures_what_its_report_needs(tmp_path: Path, command: Callable[..., Any]) -> None:
    words = (
        "--model.groups 1,1 --model.width 4 --objective.warmup.length 0 --objective.free_bits.nats 0 --train.steps 2"
    )
    few = "--train.batch 16 --train.accelerator cpu --evaluate.samples 2 --evaluate.limit 20"
    asked = ("--evaluate.measures", "reconstruction", "--out", tmp_path / "run", "--json")
    said = command("train", "digits", *words.split(), *few.split(), *asked)
    assert said.code == 0, said.err
    assert {"likelihood", "activity", "reconstruction"} <= set(said.json["evaluation"])
    assert (tmp_path / "run" / "report.html").is_file()
