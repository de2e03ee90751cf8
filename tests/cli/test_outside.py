"""Names from outside, through whole commands: nothing of them works on the terminal, on a page, or in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hvae.cli.faults import show_fault
from hvae.cli.voice import Voice, table
from hvae.screen.text import from_cell

Command = Callable[..., Any]
NAMES = (
    "\x1b[2Jred",
    "a\u202egnp",
    "[red]plain :smile: [link=a:b]x",
    os.fsdecode(b"\xfe\xff"),
    "<b>x",
)


def is_clean(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize("name", NAMES)
def test_errors_are_clean_and_their_json_is_whole(name: str, command: Command, tmp_path: Path) -> None:
    for words in ([name], ["evaluate", tmp_path / name], ["train", name], ["sample", "--" + name], ["models", name]):
        said = command(*words)
        assert said.code == 2 and said.err.count("\n") == 1 and is_clean(said.err), said.err
    said = command("evaluate", tmp_path / name, "--json")
    assert name in json.loads(said.out)["error"] and is_clean(said.out)


@pytest.mark.parametrize("name", NAMES)
def test_run_folders_of_any_name(name: str, run: Path, command: Command, tmp_path: Path) -> None:
    folder, page = shutil.copytree(run, tmp_path / name), tmp_path / "page.html"
    said = command("compare", folder, run, "-o", page)
    assert said.code == 0 and is_clean(said.out) and is_clean(said.err), said.err
    assert is_clean(page.read_text("utf-8")) and "<b>x" not in page.read_text("utf-8")
    rows = command("compare", folder, run, "-o", page, "--json").json["groups"][0]["rows"]
    assert [row["run"] for row in rows] == [name, run.name]


def test_the_page_of_a_run_of_any_name(run: Path, command: Command, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "<b>\x1b[2J\u202e[red]")
    said = command("report", folder)
    assert said.code == 0 and is_clean(said.out) and is_clean(said.err), said.err
    page = (folder / "report.html").read_text("utf-8")
    assert is_clean(page) and "<b>\\x1b" not in page and "&lt;b&gt;\\x1b[2J\\u202e[red]" in page


def test_markup_in_a_name_is_no_markup(run: Path, command: Command, tmp_path: Path) -> None:
    name = "[bold red]x:smile:"
    folder = shutil.copytree(run, tmp_path / name)
    assert name in command("evaluate", folder).out
    assert name in command("compare", folder, run, "-o", tmp_path / "page.html").out


def test_scores_of_files_of_any_name(run: Path, command: Command, tmp_path: Path) -> None:
    names = ["=cmd|' calc'!A0.png", "+1.png", *(f"{name}.png" for name in NAMES)]
    for name in names:
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.new("L", (8, 8), 90).save(tmp_path / "in" / "plain.png")
        os.replace(tmp_path / "in" / "plain.png", tmp_path / "in" / name)
    out = tmp_path / os.fsdecode(b"\xff\x1b.csv")
    said = command("score", run, "--data", tmp_path / "in", "--by", "nll", "-o", out)
    assert said.code == 0 and is_clean(said.out) and is_clean(said.err), said.err
    text = out.read_text("utf-8")
    assert is_clean(text)
    cells = [row["file"] for row in csv.DictReader(io.StringIO(text))]
    assert sorted(map(from_cell, cells)) == sorted(names)
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_tables_titles_and_bars_are_clean(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    voice = Voice()
    rows = table("run", "[red]head[/red]", title=f"title {NAMES[0]}")
    for name in NAMES:
        rows.add_row(name, "1")
        voice.tell(name)
    voice.show(rows)
    said = capsys.readouterr()
    assert is_clean(said.out) and is_clean(said.err)
    assert "[red]head[/red]" in said.out and NAMES[2] in said.out and NAMES[2] in said.err


def test_a_traceback_is_clean() -> None:
    err = io.StringIO()
    try:
        raise RuntimeError("no file \x1b]0;owned\x07")
    except RuntimeError:
        with redirect_stderr(err):
            show_fault(*sys.exc_info())  # type: ignore[arg-type]
    assert "Traceback" in err.getvalue() and "\\x1b]0;owned\\x07" in err.getvalue() and is_clean(err.getvalue())
