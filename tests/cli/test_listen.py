"""hvae listen: what it writes, shows and refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hvae.explore.sound import wav

Command = Callable[..., Any]
HEAD = "test,listener,trial,item,place,condition,score,seconds"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    places = tmp_path / "original", tmp_path / "mine"
    for place, loud in zip(places, (0.5, 0.4), strict=True):
        place.mkdir()
        (place / "a.wav").write_bytes(wav(loud * np.sin(np.arange(4000) / 7), 16_000))
    return places


def answers(place: Path, who: str, reference: float) -> Path:
    rows = [f"{'a' * 16},{who},1,x,1,reference,{reference},2.0", f"{'a' * 16},{who},1,x,2,mine,61,2.0"]
    place.write_text("\n".join([HEAD, *rows, ""]))
    return place


def test_a_page_of_folders(folders: tuple[Path, Path], command: Command, tmp_path: Path) -> None:
    reference, mine = folders
    said = command("listen", f"better={mine}", "--reference", reference, "--out", tmp_path / "l.html")
    assert said.code == 0
    assert "1 trial of 4 sounds (reference, anchor 3.5 kHz, anchor 7 kHz, better), test " in said.out
    record = command("listen", mine, "--reference", reference, "--out", tmp_path / "l.html", "--json").json
    assert record["conditions"][-1] == "mine" and record["items"] == ["a"]
    assert record["test"] in (tmp_path / "l.html").read_text()


def test_what_listeners_think(command: Command, tmp_path: Path) -> None:
    tables = [answers(tmp_path / f"{who}.csv", who, score) for who, score in (("Ann", 100), ("Bob", 95), ("Cy", 20))]
    said = command("listen", "--evaluate", *tables, "--out", tmp_path / "o.json")
    assert said.code == 0 and "2 listeners, 1 item" in said.out
    assert "left out" in said.out and "Cy (100 % of the items)" in said.out
    record = json.loads((tmp_path / "o.json").read_text())
    assert [row["condition"] for row in record["conditions"]] == ["reference", "mine"]
    assert command("listen", "--evaluate", *tables, "--json").json == record


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("", "expected a system to judge"),
        ("mine=nowhere", "no run at nowhere"),
        ("nowhere --reference original", "nowhere: expected a folder of sounds"),
        ("mine --reference nowhere", "nowhere: expected a folder of sounds"),
        ("mine a=original a=mine --reference original", "got 'a' twice"),
        ("mine --reference original --top 1", "--top takes levels of runs"),
        ("mine --reference original -n 3", "which is all of --reference; leave them out"),
        ("mine --reference original --out l.txt", "a page that ends in .html"),
        ("<b>=mine --reference original", "expected a name of a system"),
        ("mine --top 0", "--top"),
        ("--evaluate a.csv", "cannot read a.csv"),
        ("mine --evaluate a.csv", "leave out systems"),
        ("mine", "mine holds no run; for folders of sounds add --reference FOLDER"),
        ("--evaluate mine", "expected a regular file, got a folder"),
        ("--seed 1 --evaluate a.csv --top 1", "reads tables of results alone"),
        ("--out o.csv --evaluate a.csv", "a file that ends in .json"),
    ],
)
def test_a_fault_is_one_line(
    words: str,
    line: str,
    folders: tuple[Path, Path],
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    said = command("listen", *words.split())
    assert said.code == 2 and said.err.count("\n") == 1 and line in said.err
    assert sorted(tmp_path.rglob("*")) == before
