"""Two commands on one run folder: the second is refused before it writes, and a claim left behind blocks nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from hvae.runs import MEASURING, TRAINING, claiming
from hvae.training.saving import read_checkpoint
from hvae.weights import load_weights

Command = Callable[..., Any]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run, tmp_path / "copy")


def test_a_new_run_is_refused_where_one_begins(tmp_path: Path, command: Command) -> None:
    folder = tmp_path / "run"
    with claiming(folder, TRAINING):
        before = contents(folder)
        said = command("train", "digits", "--out", folder)
        assert (said.code, said.out) == (2, "") and "is claimed for training by process" in said.err
        assert said.err.count("\n") == 1 and contents(folder) == before


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("train", "--resume", "--train.steps=9"), TRAINING),
        (("evaluate", "--evaluate.limit=5"), MEASURING),
        (("report", "--evaluate.limit=5"), MEASURING),
    ],
)
def test_a_folder_in_use_stays_as_it_is(copy: Path, command: Command, words: tuple[str, ...], what: str) -> None:
    with claiming(copy, what):
        before = contents(copy)
        said = command(words[0], copy, *words[1:])
        assert said.code == 2 and f"is claimed for {what} by process" in said.err
        assert contents(copy) == before


def test_a_run_may_be_measured_and_sampled_while_it_trains(copy: Path, command: Command) -> None:
    with claiming(copy, TRAINING):
        assert command("evaluate", copy, "--evaluate.limit=5").code == 0
        assert command("sample", copy, "-n", "2").code == 0


def test_the_rest_of_a_killed_start_blocks_nothing(tmp_path: Path, command: Command) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".training.claim").write_text("")
    said = command("train", "digits", "--out", tmp_path / "run", "--model.latents=nothing")
    assert "model.latents" in said.err and "already exists" not in said.err
    (tmp_path / "run" / "thesis.txt").touch()
    said = command("train", "digits", "--out", tmp_path / "run")
    assert said.code == 2 and "already exists" in said.err


# A folder that goes away, and starts that are refused


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """Something that happens in the middle of the training that a command starts."""
    from hvae.training.learner import Learner

    def arrange(number: int, happening: Callable[[], None]) -> None:
        steps, step = iter(range(10**6)), Learner.step

        def watched(self: Learner, *words: Any, **named: Any) -> Any:
            if next(steps) == number:
                happening()
            return step(self, *words, **named)

        monkeypatch.setattr(Learner, "step", watched)

    return arrange


def fail() -> None:
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory")


@pytest.mark.parametrize("name", ["config.yaml", "provenance.json", "metrics.csv", "last.ckpt"])
def test_a_file_that_goes_while_it_is_trained_comes_back(
    tmp_path: Path, command: Command, at_step: Callable[..., None], name: str, tiny: tuple[str, ...]
) -> None:
    folder = tmp_path / "run"
    at_step(3, (folder / name).unlink)
    said = command("train", "digits", "--out", folder, *tiny, "--train.save_every=2", "--train.log_every=1")
    assert said.code == 0 and (folder / name).is_file(), said.err
    assert command("train", folder, "--resume", "--train.steps", 7).code == 0


@pytest.mark.parametrize("how", ["deleted", "moved"])
def test_a_folder_that_goes_while_it_is_trained(
    tmp_path: Path, command: Command, at_step: Callable[..., None], how: str, tiny: tuple[str, ...]
) -> None:
    folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    at_step(3, lambda: shutil.rmtree(folder) if how == "deleted" else folder.rename(elsewhere) and None)
    said = command("train", "digits", "--out", folder, *tiny, "--train.save_every=2", "--train.log_every=1")
    assert said.code == 2 and f"{folder} was deleted or moved during its training" in said.err.splitlines()[-1]
    assert not folder.exists()
    if how == "moved":
        assert command("train", elsewhere, "--resume").code == 0


def test_a_folder_that_goes_while_it_is_measured(copy: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    import hvae.metrics

    bounds = hvae.metrics.bounds

    def gone(*words: Any, **named: Any) -> Any:
        shutil.rmtree(copy)
        return bounds(*words, **named)

    monkeypatch.setattr("hvae.metrics.bounds", gone)
    said = command("evaluate", copy, "--evaluate.limit=5", "--evaluate.measures=likelihood")
    assert said.code == 2 and "was deleted or moved during its evaluation" in said.err and not copy.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--train.accelerator=mps",), "cannot train with train.accelerator=mps"),
        (("--train.strategy=nonsense",), "strategy=nonsense"),
        (("--train.strategy=deepspeed",), "strategy=deepspeed"),
        (("--train.strategy=fsdp",), "strategy=fsdp"),
        (("--train.loggers=wandb",), "wandb"),
        (("--train.devices=9999",), "train.devices: expected at most"),
        (("--train.strategy=ddp_spawn", "--train.devices=2"), "train.strategy=ddp_spawn"),
        (("--objective.beta=z9=2",), "no level named 'z9'"),
    ],
)
def test_a_refused_start_leaves_no_folder(
    tmp_path: Path, command: Command, tiny: tuple[str, ...], words: tuple[str, ...], message: str
) -> None:
    if words == ("--train.loggers=wandb",) and find_spec("wandb"):
        pytest.skip("wandb is installed here")
    said = command("train", "digits", "--out", tmp_path / "run", *tiny, *words)
    assert said.code == 2 and message in said.err and said.err.count("\n") <= 3
    assert not (tmp_path / "run").exists()


def test_a_start_that_fails_late_leaves_no_folder(
    tmp_path: Path, command: Command, at_step: Callable[..., None], tiny: tuple[str, ...]
) -> None:
    at_step(2, fail)
    said = command("train", "digits", "--out", tmp_path / "run", *tiny)
    assert said.code == 2 and "not enough memory" in said.err and not (tmp_path / "run").exists()
    assert command("train", "digits", "--out", tmp_path / "run", *tiny).code == 0


def test_a_resumed_run_that_fails_does_not_repeat_it(
    copy: Path, command: Command, at_step: Callable[..., None]
) -> None:
    before = contents(copy)
    at_step(2, fail)
    said = command("train", copy, "--resume", "--train.steps=12", "--train.lr=0.5")
    assert said.code == 2 and contents(copy) == before


def test_what_was_saved_is_kept(
    tmp_path: Path, command: Command, at_step: Callable[..., None], tiny: tuple[str, ...]
) -> None:
    at_step(5, fail)
    said = command("train", "digits", "--out", tmp_path / "run", *tiny, "--train.save_every=4")
    assert said.code == 2 and {"config.yaml", "last.ckpt"} <= set(contents(tmp_path / "run"))
    assert command("train", tmp_path / "run", "--resume").code == 0


@pytest.mark.parametrize(("name", "other"), [("last.ckpt", "model.safetensors"), ("model.safetensors", "last.ckpt")])
def test_what_can_be_saved_is_saved_where_the_rest_cannot(
    tmp_path: Path, command: Command, at_step: Callable[..., None], name: str, other: str, tiny: tuple[str, ...]
) -> None:
    folder = tmp_path / "run"

    def no_longer() -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    at_step(3, no_longer)
    said = command("train", "digits", "--out", folder, *tiny)
    assert said.code == 2 and f"could not write {folder / name}" in said.err.splitlines()[-1]
    assert {"config.yaml", "metrics.csv", other} <= set(contents(folder))
    (folder / name).rmdir()
    if other == "last.ckpt":
        assert read_checkpoint(folder / other)["history"]["step"] == 6
        assert command("train", folder, "--resume").code == 0
    else:
        assert load_weights(folder / other)[1]["step"] == 6
        assert command("evaluate", folder).code == 0
