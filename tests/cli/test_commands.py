"""Help, machines, exit codes, and faults in one line: what holds of every command."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import finished
from torch.nn import Module, Parameter

import hvae
from hvae.cli import main as entry
from hvae.cli.main import COMMANDS
from hvae.config.families import FAMILIES
from hvae.weights import load_weights, save_weights

Command = Callable[..., Any]


@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_explains_with_an_example(name: str, command: Command) -> None:
    said = command(name, "--help")
    assert said.code == 0
    assert "example" in said.out and f"\n  hvae {name}" in said.out
    assert "--json" in said.out
    assert said.err == ""


@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_shows_each_default_once_and_in_plain_english(name: str, command: Command) -> None:
    text = " ".join(command(name, "--help").out.split())
    assert "[True]" not in text and "[False]" not in text
    assert not re.search(r"(\[[^\[\]]+\]) \1", text)
    assert not re.search(r"\b(is|be|was|been) told\b|\btell the plan\b|\bas found\b|trained to lose", text)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_fits_the_screen(name: str, columns: int, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert max(map(len, command(name, "--help").out.splitlines())) <= columns


def test_help_lists_every_command(command: Command) -> None:
    for words in ((), ("--help",), ("-h",)):
        said = command(*words)
        assert said.code == 0
        assert all(f"  {name} " in said.out for name in COMMANDS)
    assert "hvae train digits" in said.out


def test_help_of_a_preset_shows_its_keys_and_values(command: Command) -> None:
    text = command("train", "mnist-static-vae", "--help").out
    assert "--model.latent " in text and "--model.groups" not in text
    assert "--train.betas X,X" in text and "[0.9,0.999]" in text
    assert "--objective.warmup.length" in text
    assert "One of bernoulli, bernoulli-bounded, gaussian" in " ".join(text.split())  # wherever a terminal folds it
    assert "--model.groups N,N,..." in command("train", "cifar10", "--help").out


def test_version(command: Command) -> None:
    assert command("--version").out == f"hvae {hvae.__version__}\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("trian", "no command named 'trian'; did you mean 'train'?"),
        (
            "train digts",
            "no preset, file or folder named 'digts'; did you mean 'digits'",
        ),
        ("train nowhere.yaml", "no file or folder at nowhere.yaml; expected a configuration"),
        ("train folder", "this preset needs your images; add --data.path FOLDER"),
        ("train digits --model.wdith 3", "no key named 'model.wdith'; did you mean 'model.width'"),
        ("train digits --modle.width 3", "no section named 'modle'; did you mean 'model'?"),
        ("train digits --train.steps many", "train.steps: expected a whole number, got 'many'"),
        ("train digits --train.steps", "--train.steps needs a value"),
        ("train digits --train.steps --json", "--train.steps needs a value"),
        ("train digits --resum", "no option named '--resum'; did you mean '--resume'?"),
        ("train digits cifar10", "unrecognized arguments: cifar10; see hvae train --help"),
        ("train --resume", "nothing to resume in runs/digits"),
        ("inspect", "the following arguments are required: RUN|PRESET|CONFIG; see hvae inspect --help"),
        ("inspect mnist-static-lvae --model.latents 3", "model.latents has 1 levels and model.widths 5"),
        ("evaluate nowhere", "no run at nowhere"),
        ("evaluate .", "no weights at model.safetensors"),
        ("evaluate nowhere --train.lr 3", "--train.lr belongs to the training"),
        ("report nowhere", "no run at nowhere"),
        ("sample nowhere", "no run at nowhere"),
        ("sample nowhere -n few", "--number: expected a whole number, got 'few'"),
        ("sample nowhere -t hot", "--temperature: expected a number or numbers as NAME=VALUE,NAME=VALUE, got 'hot'"),
        ("sample nowhere --temprature.z1 1", "no option named '--temprature'; did you mean '--temperature'?"),
    ],
)
def test_a_users_fault_is_one_line_and_code_2(
    words: str, line: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = command(*words.split())
    assert said.code == 2
    assert said.err.startswith("hvae: ") and said.err.count("\n") == 1
    assert line in said.err
    assert said.out == "" or "--json" in words
    assert list(tmp_path.iterdir()) == []


def test_a_fault_is_json_for_machines_too(command: Command) -> None:
    said = command("inspect", "digts", "--json")
    assert said.code == 2
    assert said.json["error"].startswith("no preset, file or folder named 'digts'")
    assert said.err.count("\n") == 1


def test_a_fault_of_ours_keeps_its_traceback(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(root: str = "") -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("hvae.data.known_sets", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        command("data")


def test_a_reader_that_leaves_is_no_fault(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> str:
        raise BrokenPipeError

    monkeypatch.setattr(entry, "usage", gone)
    assert command("--help").code == 0


def test_models(command: Command) -> None:
    found = command("models", "--json").json
    assert [row["family"] for row in found["families"]] == list(FAMILIES)
    sizes = {row["preset"]: row for row in found["presets"]}
    assert sizes["cifar10"]["shape"] == [3, 32, 32] and sizes["cifar10"]["parameters"] > 1e6
    assert sizes["mnist-static-lvae"]["levels"] == 5 and sizes["mnist-static-lvae"]["bits"] == 1
    text = command("models").out
    assert all(name in text for name in sizes)


def test_data(command: Command, tmp_path: Path) -> None:
    found = command("data", "--json", "--root", tmp_path).json
    sets = {row["name"]: row for row in found["sets"]}
    assert sets["digits"]["found"] == "built in"
    assert str(tmp_path / "mnist") in sets["mnist"]["searched"]
    assert "mnist-static" in command("data").out


def test_inspect_a_preset_with_changes(command: Command) -> None:
    found = command("inspect", "digits", "--model.groups", "1,1", "--train.batch", "12", "--json").json
    assert [level["name"] for level in found["levels"]] == ["z2", "z1"]
    assert found["batch"] == 12
    assert found["memory_bytes"]["peak"] > found["memory_bytes"]["weights"]


@pytest.mark.parametrize("name", ["nvae-cifar10-small", "digits"])
def test_inspect_draws_no_weight(name: str, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    # Layers of gigabytes are counted in the time of small ones: nothing but shapes is there.
    monkeypatch.setattr("hvae.study.building.built", lambda *_: pytest.fail("a model is built"))
    devices = set()
    own = Module.register_parameter

    def registered(module: Module, key: str, weight: Parameter | None) -> None:
        devices.update(() if weight is None else (weight.device.type,))
        own(module, key, weight)

    monkeypatch.setattr(Module, "register_parameter", registered)
    assert command("inspect", name, "--json").json["parameters"] > 0
    assert devices == {"meta"}


def test_inspect_counts_the_rows_of_one_process(command: Command) -> None:
    words = ("--model.groups", "1", "--train.batch", "64", "--train.devices", "2", "--train.accumulate", "4")
    assert command("inspect", "digits", *words, "--json").json["batch"] == 8


@pytest.mark.parametrize("described", [True, False])
def test_inspect_a_run_of_python_alone(described: bool, run: Path, tmp_path: Path, command: Command) -> None:
    """The folder that hvae.fit leaves has no config.yaml; its weights may be described or not."""
    tensors, description = load_weights(run / "model.safetensors")
    save_weights(tmp_path / "model.safetensors", tensors, description if described else {"step": 7})
    for place in (tmp_path, tmp_path / "model.safetensors"):
        said, listed = command("inspect", place), command("inspect", place, "--parameters")
        assert said.code == listed.code == 0, said.err + listed.err
        assert next(name for name in tensors if name.endswith("weight")) in listed.out
        found = command("inspect", place, "--json").json
        if described:
            assert [level["name"] for level in found["levels"]] == ["z2", "z1"]
        else:
            assert f"{len(tensors)} tensors of" in said.out and "after step 7" in said.out
            assert "no configuration stands beside these weights" in " ".join(said.out.split())
            assert found["numbers"] == sum(t.numel() for t in tensors.values()) and len(found["tensors"]) == len(
                tensors
            )


def test_inspect_a_file(command: Command, tmp_path: Path) -> None:
    hvae.preset("digits", {"model.groups": "1"}).save(tmp_path / "own.yaml")
    assert "z1" in command("inspect", tmp_path / "own.yaml").out


@pytest.mark.parametrize(
    ("words", "shape", "note"),
    [
        (("photos-small",), [8, 32, 32], ""),
        (("arrays", "--data.size", "28,28", "--data.channels", "1"), [8, 14, 14], "8 bits a value are assumed"),
        (("arrays", "--data.size", "12,9", "--data.channels", "1", "--data.bits", "4"), [8, 6, 5], ""),
        (("arrays", "--data.name=hub", "--data.size", "8,8", "--data.channels", "3"), [8, 4, 4], "are assumed"),
        (("greyscale-small", "--data.path", "nowhere"), [8, 32, 32], ""),
    ],
)
def test_inspect_needs_no_images(words: tuple[str, ...], shape: list[int], note: str, command: Command) -> None:
    assert command("inspect", *words, "--json").json["levels"][-1]["shape"] == shape
    said = command("inspect", *words)
    assert said.code == 0
    assert note in said.out and ("assumed" in said.out) == bool(note)


@pytest.mark.parametrize("path", ["FILE", "nowhere.npz"])
def test_inspect_says_what_it_lacks(path: str, command: Command) -> None:
    said = command("inspect", "arrays", "--data.path", path)
    assert said.code == 2 and said.err.count("\n") == 1
    assert f"no images at {path}" in said.err and "--data.size 64,64 --data.channels 3" in said.err


def test_inspect_a_run_whose_images_are_gone(command: Command, tmp_path: Path) -> None:
    images = tmp_path / "x.npy"
    np.save(images, np.arange(40 * 64, dtype=np.uint8).reshape(40, 8, 8))
    keys = {"model.groups": "1", "model.width": "8", "train.steps": "1", "train.batch": "4", "data.path": str(images)}
    words = [word for key, value in keys.items() for word in (f"--{key}", value)]
    assert command("train", "arrays", *words, "--out", tmp_path / "run", "--evaluate.limit", "2").code == 0
    images.unlink()
    assert command("inspect", tmp_path / "run", "--json").json["levels"][0]["shape"] == [8, 8, 8]


def test_from_outside_only_json_on_standard_output() -> None:
    words = ["inspect", "digits", "--model.groups", "1", "--json"]
    code = "import sys; from hvae.cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = finished("-c", code, *words)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["levels"][0]["name"] == "z1"
