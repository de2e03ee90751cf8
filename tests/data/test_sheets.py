"""Sheets as spreadsheets of other countries save them: what is wrong is said, and what is right is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from hvae.data.attributes import read_attributes
from hvae.data.captions import read_captions
from hvae.data.sequences.motion import table as motion_table
from hvae.data.tables import read_cells
from hvae.errors import HvaeError
from hvae.study.listening.answers import COLUMNS, read_answers

SHEETS = {"semicolons": ";", "tabs": "\t", "bars": "|"}
READERS = {
    "table": (lambda path: read_cells(path), [["height", "colour"], ["1,80", "red"], ["1,72", "blue"]]),
    "attributes": (read_attributes, [["file", "age, years", "height"], ["a.png", "31", "1,80"]]),
    "captions": (read_captions, [["file", "caption"], ["a.png", "red, and round"]]),
    "answers": (lambda path: read_answers([path]), [list(COLUMNS), ["0", "a", "b", "c", "50,5"]]),
    "motion": (motion_table, [["1,5", "2,5"], ["3,5", "4"]]),
    "motion with headings": (motion_table, [["x", "y"], ["3,5", "4"]]),
}


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("mark", SHEETS)
@pytest.mark.parametrize("kind", READERS)
def test_a_sheet_with_other_marks_between_cells_says_which(kind: str, mark: str, quoted: bool, tmp_path: Path) -> None:
    """As spreadsheets save them where numbers have decimal commas, with every cell in quotes or none."""
    read, rows = READERS[kind]
    cells = [[f'"{cell}"' if quoted and not kind.startswith("motion") else cell for cell in row] for row in rows]
    path = tmp_path / "sheet.csv"
    path.write_text("\ufeff" + "".join(SHEETS[mark].join(row) + "\r\n" for row in cells), newline="")
    with pytest.raises(HvaeError, match=f"expected commas between cells, got {mark}; save it with commas"):
        read(path)


def test_marks_within_cells_are_no_delimiters(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    path.write_text('file,"age; in; full; years"\na.png,31\n')
    assert read_attributes(path).names == ("age; in; full; years",)
    path.write_text("file,age | years\na.png,31\n")
    assert read_attributes(path).names == ("age | years",)
