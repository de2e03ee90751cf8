"""Command lines of README and docs are read by their own commands, and every key that is named there exists.

RESULTS.md and PERFORMANCE.md abbreviate their commands (`WORDS`, `--model.posterior P`) and are left out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import NoReturn

import pytest
from test_docs import FILES

from hvae.cli.main import main
from hvae.cli.parser import Parser
from hvae.cli.words import split_dotted
from hvae.config.families import FAMILIES
from hvae.config.presets import PRESETS
from hvae.runs.source import outlined

PAGES = [path for path in FILES if path.name not in ("RESULTS.md", "PERFORMANCE.md")]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SECTIONS = ("model", "data", "objective", "train", "evaluate")
KEY = re.compile(rf"`(?:--)?((?:{'|'.join(SECTIONS)})\.[a-z_0-9.]+)(?=[`= ])")
ENDINGS = (".safetensors", ".npy", ".txt", ".csv")


def commands(text: str) -> Iterator[list[str]]:
    """The words behind `hvae` of each line of a block that begins with it."""
    for block in (body for language, body in BLOCK.findall(text) if language in ("", "sh", "bash")):
        for line in re.split(r"\n| && ", block.replace("\\\n", " ")):
            words = shlex.split(line, comments=True) if re.match(r"(\.venv/bin/)?hvae ", line) else []
            if words:
                yield words[1:]


class Understood(Exception):
    """The words of a command line have been read, and nothing has been done."""


def stop(parser: Parser, words: list[str]) -> NoReturn:
    read(parser, words)
    raise Understood


read = Parser.parse_args


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_commands_are_understood(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Parser, "parse_args", stop)
    refused = []
    for words in commands(path.read_text()):
        try:
            if main(words):
                refused.append(f"{shlex.join(words)}: {capsys.readouterr().err}")
        except Understood:
            continue
    assert not refused


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_presets_take_the_keys_that_they_are_given(path: Path) -> None:
    for command, *words in commands(path.read_text()):
        rest, dotted = split_dotted(words)
        if command == "train" and rest[:1] and rest[0] in PRESETS:
            outlined(rest[0], dotted)


def names(at: str, config: object) -> Iterator[str]:
    """The dotted keys of a configuration, its sections among them."""
    yield at
    for one in fields(config) if is_dataclass(config) else ():
        yield from names(f"{at}.{one.name}", getattr(config, one.name))


def known() -> set[str]:
    """The keys of all presets and families."""
    runs = [preset.make() for preset in PRESETS.values()]
    found = {key for run in runs for section in SECTIONS for key in names(section, getattr(run, section))}
    return found | {"model.family"} | {key for family in FAMILIES.values() for key in names("model", family.config())}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_keys_that_are_named_exist(path: Path) -> None:
    keys = {key.rstrip(".") for key in KEY.findall(BLOCK.sub("", path.read_text()))}
    assert not {key for key in keys if not key.endswith(ENDINGS)} - known()
