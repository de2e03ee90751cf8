"""A run folder with a damaged file: one line and exit code 2, or the command does without; never a traceback."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from damage import damaged, damages

from hvae.checkpoints import load
from hvae.errors import HvaeError
from hvae.records import read_rows
from hvae.runs.provenance import read_provenance
from hvae.study.evaluate import name_of
from hvae.study.evaluation import read_evaluation
from hvae.training.saving import read_checkpoint

Command = Callable[..., Any]
READERS: dict[str, Callable[[Path], Any]] = {
    "evaluation.json": read_evaluation,
    "provenance.json": lambda path: read_provenance(path.parent),
    "metrics.csv": read_rows,
    "last.ckpt": read_checkpoint,
    "model.safetensors": load,
}
COMMANDS: dict[str, tuple[str, ...]] = {
    "evaluation.json": ("report", "compare", "evaluate"),
    "provenance.json": ("report", "compare"),
    "metrics.csv": ("report", "resume"),
    "last.ckpt": ("resume",),
    "model.safetensors": ("sample",),
    "config.yaml": ("resume", "compare"),
}
WORDS: dict[str, Callable[[Path, Path], list[Any]]] = {
    "evaluate": lambda run, _: ["evaluate", run, "--evaluate.measures", "likelihood", "--evaluate.limit", 10],
    "report": lambda run, _: ["report", run],
    "compare": lambda run, whole: ["compare", run, whole, "--out", run.parent / "page.html"],
    "sample": lambda run, _: ["sample", run, "-n", 2, "--out", run.parent / "new.png"],
    "resume": lambda run, _: ["train", run, "--resume", "--train.steps", 7, "--evaluate.measures", "likelihood"],
}


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_one_line(name: str, run: Path, tmp_path: Path) -> None:
    path, refused = tmp_path / "copy" / name, 0
    READERS[name](run / name)
    for what, damage in damages(run / name, 40):
        damaged(run, name, damage, path.parent)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                READERS[name](path)
        except HvaeError as fault:
            refused += 1
            assert "\n" not in str(fault) and len(str(fault)) < 900, what
        except Exception as fault:
            raise AssertionError(f"{name}: {what}") from fault
    assert refused > 10


@pytest.mark.parametrize(("name", "verb"), [(name, verb) for name, verbs in COMMANDS.items() for verb in verbs])
def test_a_command_says_so(name: str, verb: str, run: Path, tmp_path: Path, command: Command) -> None:
    several = [pair for pair in damages(run / name, 6, seed=1) if pair[0] not in ("a flipped bit", "twice", "zeros")]
    codes = []
    for what, damage in several[::4]:
        folder = damaged(run, name, damage, tmp_path / "copy")
        said = command(*WORDS[verb](folder, run))
        codes.append(said.code)
        assert said.code in (0, 2) and "Traceback" not in said.err, what
        if said.code == 2:
            assert said.err.splitlines()[-1].startswith("hvae: "), what
    # The comparison needs no config.yaml: it names the family where there is one.
    assert 2 in codes or (name, verb) == ("config.yaml", "compare")


@pytest.mark.parametrize("name", ['"=cmd|calc"', "+1", "a\x1b[2J", '"a,b"', "\u202eloss"])
def test_columns_of_a_table_are_names(name: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(f"step,{name}\n1,2\n")
    with pytest.raises(HvaeError, match="is no name of a column"):
        read_rows(tmp_path / "metrics.csv")


def test_settings_of_a_record_are_never_a_path() -> None:
    for text in ("../../../x", "/etc/x", "", "a" * 63, "A" * 64):
        assert name_of(text) == "of-other-settings"
    assert name_of("ab" * 32) == "abababab"
