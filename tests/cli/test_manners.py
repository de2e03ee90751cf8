"""What helps a person at a keyboard: plans, configurations, completion, and slips answered at once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from hvae import capacity
from hvae.cli.completion import SCRIPTS, options
from hvae.cli.main import COMMANDS
from hvae.config import RunConfig, preset

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_plan_writes_nothing(command: Command, tmp_path: Path) -> None:
    said = command("train", "digits", "--dry-run", "--train.steps", "7")
    assert said.code == 0 and "7 steps of 64 data" in said.out and "runs/digits (to be made)" in said.out
    assert "measures quick; IW-50, test data" in said.out, "which of them this model has is not known yet"
    planned = command("train", "digits", "--dry-run", "--json").json
    assert planned["config"] == preset("digits").to_dict() and len(planned["levels"]) == 3
    assert list(tmp_path.iterdir()) == []


def test_a_printed_configuration_is_the_run(command: Command, tmp_path: Path) -> None:
    said = command("train", "cifar10", "--print-config", "--train.seed", "9007199254740993")
    assert said.code == 0
    assert RunConfig.from_yaml(said.out) == preset("cifar10", {"train.seed": 2**53 + 1})
    assert command("train", "cifar10", "--print-config", "--json").json["config"] == preset("cifar10").to_dict()
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_is_printed_before_there_are_images(command: Command, tmp_path: Path) -> None:
    said = command("train", "photos-small", "--print-config")
    assert said.code == 0
    (tmp_path / "own.yaml").write_text(said.out)
    assert "add --data.path FOLDER" in command("train", "own.yaml").err


SLIPS = {
    "--verison": "no option named '--verison'; did you mean '--version'?",
    "train cifar100": "did you mean 'cifar10', ",
    "train digits --train.seed 18446744073709551616": "train.seed: expected a whole number from 0 to 2^64 - 1",
    "train digits --model.latent 1e20": "model.latent: expected at most 1,000,000",
    "train digits --model.groups 1,1 --model.width 1e6 --dry-run": "parameters, trained with 4 numbers",
    "train digits --train.batch 1e9 --dry-run": "a step of 1,000,000,000 data takes at least 256 GB of memory",
    "train digits --evaluate.held 99 --dry-run": "evaluate.held: expected at most 2 of the model's 3 levels, got 99",
    "train photos-small --data.path nowhere --dry-run": "data.path=nowhere: no such folder",
    "train greyscale-small --data.path . --data.name npy --dry-run": "got a folder without any; name another place",
    "train digits --train.only levels.z9 --dry-run": "no parameter named 'levels.z9'; did you mean 'levels.z",
    "train digits --train.init nowhere --dry-run": "no run at nowhere",
    "train mnist-vqvae --model.prior uniform --train.only prior": "and model.prior is uniform, which has no weights",
    "train cifar10-vqvae --train.only prior,condition --train.init x": "name one: --model.prior transformer",
    "train cifar10 --train.only no.part --data.download false --data.root .": "no parameter named 'no.part'",
    "train cifar10 --train.init nowhere --data.download false --data.root .": "no run at nowhere",
    "train digits --evaluate.features no-such.pt2 --trust no-such.pt2": "evaluate.features: no file at no-such.pt2",
    "train digits --evaluate.features no-such.pth": "evaluate.features: no file at no-such.pth",
    "train digits --evaluate.factors no-such.npz": "evaluate.factors: no file at no-such.npz",
    "train digits --train.betas 1,1": "train.betas[0]: expected a decay from 0 to below 1",
    "train digits --train.lr inf": "train.lr: expected a finite number, got inf",
    "train digits --data.size 100000,100000": "data.size[0]: expected at most 16,384",
    f"train digits --out {'x' * 300}": "expected a name of at most 200 bytes; shorten it",
    f"train {'x' * 300}": "expected a name of at most 200 bytes",
    "train digits --out ''": "--out: expected a value, got an empty word",
    "train digits --out=": "--out: expected a value, got an empty word",
    "train ''": "expected a value, got an empty word",
    "inspect digits --model.width 1e6 --model.latent 1e6": "takes at least 900 TB of memory",
    "sample nowhere -n 1e11": "--number: expected at most 1,000,000,000, got 100000000000",
    "sample nowhere --seed -1": "--seed: expected at least 0, got -1",
    "sample nowhere -t inf": "--temperature: expected a finite number, got inf",
    "decompress a.hvz b --workers -3": "--workers: expected at least 0, got -3",
    "decompress a.hvz b --only 1.5": "--only: expected a whole number, got '1.5'",
    "compress run a.png b.hvz --batch 0": "--batch: expected at least 1, got 0",
    "compress run a.png b.hvz --fineness inf": "--fineness: expected a finite number, got inf",
    "score run --data test --quantile 1": "--quantile: expected a quantile between 0 and 1, got 1.0",
    "interpolate run --data test --out a.png --steps 1e30": "--steps: expected at most 1,000,000",
    "encode run --data test --out a.npz -n 0": "--number: expected at least 1, got 0",
    "evaluate nowhere --evaluate.samples 1e12": "no run at nowhere",
    "models --no-such": "no option named '--no-such'; Known: -h, --help",
    "sample run --ouput a.png": "no option named '--ouput'; did you mean '--out'",
    "export run -- --out a.onnx": "unrecognized arguments: --out a.onnx; see hvae export --help",
    "train digits --evaluate.factors no-such": "evaluate.factors: no file at no-such",
    "completion tcsh": "no shell named 'tcsh'; did you mean",
}


@pytest.mark.parametrize("words", SLIPS, ids=lambda words: words[:60])
def test_a_slip_is_one_line_at_once(
    words: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "free_memory", lambda: 16 << 30)
    said = command(*(word.strip("'") for word in words.split()))
    assert said.code == 2 and SLIPS[words] in said.err and said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command_line", [("train", "digits"), ("sample", "run"), ("encode", "run", "--data", "x")])
def test_a_blank_is_no_name(command_line: tuple[str, ...], command: Command) -> None:
    for blank in (" ", "\t", "  "):
        said = command(*command_line, "--out", blank)
        assert said.code == 2 and said.err == "hvae: --out: expected a value, got an empty word\n"


def test_many_pictures_are_refused_before_they_are_drawn(
    command: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "free_memory", lambda: 16 << 30)
    said = command("sample", run, "-n", "1e8", "-o", "all.png")
    assert said.code == 2 and "expected at most 200,000,000 pixels, got 100,000,000 pictures" in said.err
    said = command("sample", run, "-n", "1e8", "-o", "all.npy")
    assert said.code == 2 and "drawing 100,000,000 pictures takes at least 25.6 GB of memory" in said.err


def test_options_are_read_from_the_help() -> None:
    assert {"--out", "--resume", "--dry-run", "--train.seed", "--data.path"} <= set(options("train"))
    assert set(options("models")) == {"--help", "--json", "--pretrained", "--published", "--trust"}


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_names_every_command_and_is_read_by_its_shell(shell: str, command: Command, tmp_path: Path) -> None:
    said = command("completion", shell)
    assert said.code == 0 and all(f"{name}" in said.out for name in COMMANDS)
    if which(shell):
        (tmp_path / "script").write_text(said.out)
        assert subprocess.run([shell, "-n", "script"], cwd=tmp_path).returncode == 0


@pytest.mark.skipif(which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    ("words", "last", "answer"),
    [
        ("hvae tra", 1, "train"),
        ("hvae train --train.see", 2, "--train.seed"),
        ("hvae train biva-mnist-st", 2, "biva-mnist-st"),
    ],
)
def test_bash_completes(words: str, last: int, answer: str, command: Command, tmp_path: Path) -> None:
    (tmp_path / "script").write_text(command("completion", "bash").out)
    line = f"source ./script; COMP_WORDS=({words}); COMP_CWORD={last}; _hvae; echo ${{COMPREPLY[0]}}"
    said = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert said.stdout.startswith(answer) and said.stderr == ""
