"""Text from outside: nothing that works unseen reaches a screen, a page or a table, and cells can be read back."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvae.screen.text import for_cell, for_lines, for_screen, from_cell

HOSTILE = {
    "screen cleared": "a\x1b[2Jb",
    "window title": "\x1b]0;owned\x07a",
    "eight-bit escape": "a\x9b31mb",
    "written over": "hvae: well\rhvae: bad",
    "deleted": "abc\x08\x08\x7fd",
    "turned around": "a\u202egnp.exe",
    "isolated": "\u2066a\u2069",
    "without width": "a\u200b\u200d\ufeffb",
    "line ends": "a\nb\u2028c\u2029d\x85e",
    "no text": "a\udcff\udc80.png",
    "tags": "a\U000e0041",
}
NAMES = st.text(st.sampled_from("=+-@;,'\"|\\xnu01ab \t\n\x1b\u202e\udcff\uff1d\U000e0001é"), max_size=9) | st.text()


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_nothing_works_unseen(name: str) -> None:
    for shown in (for_screen(name), for_cell(name)):
        assert shown.isprintable() and shown.encode() and shown != name


@pytest.mark.parametrize("name", ["a.png", "Grüße 12.png", "写真.png", "😀.png", "C:\\a\\b.png", "[red]x[/red]", "-"])
def test_what_can_be_seen_stays(name: str) -> None:
    assert for_screen(name) == for_lines(name) == name


def test_lines_stay_lines_and_nothing_else_does() -> None:
    assert for_lines("a\nb\rc\x1b") == "a\nb\\rc\\x1b"


@given(NAMES)
def test_cells_can_be_read_back_and_begin_no_formula(name: str) -> None:
    cell = for_cell(name)
    assert from_cell(cell) == name
    cell.encode()
    # Wherever a spreadsheet of another country takes the cell to begin.
    assert not re.search(r'(^|[;,"])\s*[=+\-@\uff1d\uff0b\uff0d\uff20]', cell)


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1.png", "-1.png", "@SUM(1)", " =1", "\t=1", "＝1", "a;=1"])
def test_formulas_are_text(name: str) -> None:
    text = io.StringIO()
    csv.writer(text).writerow([for_cell(name)])
    assert text.getvalue().lstrip('"')[0] == "'"
    assert from_cell(next(csv.reader([text.getvalue()]))[0]) == name
