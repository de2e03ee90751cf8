"""Tables of numbers with gaps: what is read, what is refused in one line, and that filling changes no known cell."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import hvae
from hvae.config.data import DataConfig
from hvae.data import Provenance, formats, load
from hvae.data.attributes import read_attributes
from hvae.data.captions import read_captions
from hvae.data.tables import read_csv
from hvae.errors import HvaeError
from hvae.study.tables import gaps

GOOD = 'age,"size, cm"\n31,128\n,117.5\n29,\n\n40,100\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


def test_columns_are_brought_to_their_range_and_gaps_are_not_observed(tmp_path: Path) -> None:
    data = load(DataConfig(name="table", path=str(written(tmp_path, GOOD)), valid=0, test=0))
    datum = data.train.batch(range(4))
    assert data.shape == (2,) and data.bits == 16 and datum.observed is not None
    assert datum.observed.tolist() == [[True, True], [False, True], [True, False], [True, True]]
    assert datum.x[:, 0].tolist() == pytest.approx([2 / 11, 0, 0, 1], abs=1e-4)
    record = data.provenance.to_dict()
    assert record["columns"] == {"age": [29, 40], "size, cm": [100, 128]}
    assert Provenance.from_dict(record).columns == {"age": (29, 40), "size, cm": (100, 128)}


def test_filling_keeps_what_is_written(tmp_path: Path) -> None:
    table = read_csv(written(tmp_path, GOOD))
    lines = table.filled(np.full((4, 2), 0.5), table.ranges).splitlines()
    assert lines == ['age,"size, cm"', "31,128", "34.5,117.5", "29,114", "40,100"]
    again = read_csv(written(tmp_path, "\n".join(lines)))
    assert not np.isnan(again.numbers).any() and again.names == table.names


def test_headings_that_a_spreadsheet_would_run_are_text(tmp_path: Path) -> None:
    names = ("=cmd|' /C calc'!A0", "+1 week", "-x", "@sum", "a\x1b[2J\u202eb", "'quoted'", "x;=1")
    table = read_csv(written(tmp_path, ",".join(names) + "\n" + ",".join("1234567") + "\n,,,,,,\n"))
    assert table.names == names
    text = table.filled(np.zeros((2, 7)), table.ranges)
    first = text.splitlines()[0].split(",")
    assert all(cell[0] in "a'" and cell.isprintable() for cell in first) and ";=" not in text
    assert read_csv(written(tmp_path, text)).names == names


@pytest.mark.parametrize("reader", [read_csv, read_attributes, read_captions])
def test_a_quote_without_an_end_takes_no_rows_into_its_cell(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    path = written(tmp_path, 'file,caption\na.png,"1\nb.png,2\n')
    with pytest.raises(HvaeError, match="is no CSV file of UTF-8 text"):
        reader(path)


@pytest.mark.parametrize("reader", [read_csv, read_attributes, read_captions])
def test_a_packed_table_of_commas_is_refused_before_it_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(formats, "MOST_CELLS", 1000)
    for text in ("," * 1001, "a\n" + "\n" * 1001):
        (tmp_path / "table.csv").write_bytes(gzip.compress(text.encode()))
        with pytest.raises(HvaeError, match="at most 1,000 cells, got"):
            reader(tmp_path / "table.csv")


def test_a_column_of_one_number_and_one_of_none_are_no_division_by_zero(tmp_path: Path) -> None:
    table = read_csv(written(tmp_path, "a,b\n7,\n7,\n"))
    assert table.ranges == {"a": (7, 7), "b": (0, 1)}
    assert table.scaled(table.ranges)[:, 0].tolist() == [0, 0]
    assert table.filled(np.zeros((2, 2)), table.ranges) == "a,b\n7,0\n7,0\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "first line of headings"),
        ("1,2\n3,4\n", "first line of headings"),
        ("a,\n3,4\n", "first line of headings"),
        ("a,a\n3,4\n", "a name of its own for each column, got 'a' twice"),
        ("a,b\n", "rows below the headings"),
        ("a,b\n1,2\n3\n", "row 2: expected 2 cells"),
        ("a,b\n1,red\n", "row 1, 'b': expected a number.*got 'red'"),
        ("a,b\n1,inf\n", "got 'inf'"),
        ("a,b\n,\n,\n", "NaN alone"),
    ],
)
def test_what_is_no_table_is_one_line(text: str, line: str, tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match=line):
        load(DataConfig(name="table", path=str(written(tmp_path, text))))


def test_other_files_are_no_tables(tmp_path: Path) -> None:
    (tmp_path / "binary.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(HvaeError, match="no CSV file of UTF-8 text"):
        load(DataConfig(name="table", path=str(tmp_path / "binary.csv")))
    np.save(tmp_path / "x.npy", np.zeros((3, 2)))
    with pytest.raises(HvaeError, match="set --data.name npy"):
        load(DataConfig(name="table", path=str(tmp_path / "x.npy")))
    with pytest.raises(HvaeError, match="set --data.name table"):
        load(DataConfig(name="npy", path=str(written(tmp_path, GOOD))))
    with pytest.raises(HvaeError, match="no such file"):
        load(DataConfig(name="table", path=str(tmp_path / "none.csv")))


@pytest.mark.parametrize("place", ["~nobody-of-this-name/new.csv", "nowhere/new.csv"])
def test_a_table_that_is_not_there_is_one_line(place: str) -> None:
    with pytest.raises(HvaeError, match="no such table"):
        gaps(hvae.load("digits"), place, 10)
