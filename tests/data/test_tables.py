"""Tables with gaps: what is read, what is refused in one line, and that filling changes no known cell."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hvae
from hvae.config.data import DataConfig
from hvae.data import Provenance, formats, load
from hvae.data.attributes import read_attributes
from hvae.data.captions import read_captions
from hvae.data.columns import Columns, Name, Real, Whole
from hvae.data.tables import as_csv, read_cells
from hvae.errors import HvaeError
from hvae.study.tables import gaps

GOOD = 'age,"size, cm",job\n31,128,nurse\n,117.5,clerk\n29,,NA\n\n40,100,clerk\n'
TOP = 2**16 - 1


def written(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


def config_of(path: Path, **keys: object) -> DataConfig:
    return DataConfig(name="table", path=str(path), valid=0, test=0, **keys)


def columns_of(path: Path, **keys: object) -> Columns:
    config = config_of(path, **keys)
    return read_cells(path, config.missing).columns(config, "table", TOP)


def test_cells_lie_where_their_columns_say_and_gaps_are_not_observed(tmp_path: Path) -> None:
    data = load(config_of(written(tmp_path, GOOD)))
    datum = data.train.batch(range(4))
    assert data.shape == (3,) and data.bits == 16 and datum.observed is not None
    assert datum.observed.tolist() == [
        [True, True, True],
        [False, True, True],
        [True, False, False],
        [True, True, True],
    ]
    assert datum.x[:, 0].tolist() == pytest.approx([3 / 12, 0, 1 / 12, 1], abs=1e-4)
    assert datum.x[:, 1].tolist() == pytest.approx([1, 0.625, 0, 1 / TOP], abs=1e-4)
    assert datum.x[:, 2].tolist() == pytest.approx([1, 0.5, 0, 0.5], abs=1e-4)
    record = data.provenance.to_dict()
    assert record["columns"] == {
        "age": {"whole": [29, 40]},
        "size, cm": [100, 128],
        "job": {"names": ["clerk", "nurse"]},
    }
    assert Provenance.from_dict(record).columns == data.provenance.columns


@given(st.integers(2, 5000), st.integers(-50, 50), st.integers(8, 16))
def test_every_number_and_name_comes_back(count: int, low: int, bits: int) -> None:
    top = 2**bits - 1
    count = min(count, top // 4, 999)
    for column, cells in (
        (Whole(low, low + count - 1), [str(low + k) for k in range(count)]),
        (Name(tuple(f"n{k:04d}" for k in range(count))), [f"n{k:04d}" for k in range(count)]),
    ):
        codes = column.codes(cells, top, "here").values
        assert (codes > 0).all() and column.words(np.rint(codes * top) / top, top) == cells
    real = Real(low, low + 3.0)
    values = np.array([low, low + 1.5, low + 3.0])
    codes = real.codes([repr(float(v)) for v in values], top, "here").values
    assert np.abs(real.numbers(np.rint(codes * top) / top, top) - values).max() <= 3.0 / (top - 1)


def test_filling_keeps_what_is_written(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    table, columns = read_cells(path, ("NA",)), columns_of(path)
    words = [column.words(np.full(4, 0.5), TOP) for column in columns.values()]
    text = as_csv(table.names, table.filled(list(zip(*words, strict=True)), columns))
    assert text.splitlines() == ['age,"size, cm",job', "31,128,nurse", "34,117.5,clerk", "29,114,clerk", "40,100,clerk"]


def test_headings_and_words_that_a_spreadsheet_would_run_are_text(tmp_path: Path) -> None:
    names = ("=cmd|' /C calc'!A0", "+1 week", "-x", "@sum", "a\x1b[2Jb\u202eb", "'quoted'", "x;=1")
    table = read_cells(written(tmp_path, ",".join(names) + "\n" + ",".join(["=1+1"] * 7) + "\n"))
    assert table.names == names
    text = as_csv(table.names, table.cells)
    first, second = (line.split(",") for line in text.splitlines())
    assert all(cell[0] in "a'" and cell.isprintable() for cell in first) and ";=" not in text
    assert second == ["'=1+1"] * 7
    again = read_cells(written(tmp_path, text))
    assert again.names == names and again.column("-x") == ["=1+1"]


@pytest.mark.parametrize("reader", [read_cells, read_attributes, read_captions])
def test_a_quote_without_an_end_takes_no_rows_into_its_cell(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    path = written(tmp_path, 'file,caption\na.png,"1\nb.png,2\n')
    with pytest.raises(HvaeError, match="is no CSV file of UTF-8 text"):
        reader(path)


@pytest.mark.parametrize("reader", [read_cells, read_attributes, read_captions])
def test_a_packed_table_of_commas_is_refused_before_it_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(formats, "MOST_CELLS", 1000)
    for text in ("," * 1001, "a\n" + "\n" * 1001):
        (tmp_path / "table.csv").write_bytes(gzip.compress(text.encode()))
        with pytest.raises(HvaeError, match="at most 1,000 cells, got"):
            reader(tmp_path / "table.csv")


def test_a_column_of_one_value_is_one_name_and_one_of_none_is_refused(tmp_path: Path) -> None:
    columns = columns_of(written(tmp_path, "a,b\n7,\n7,1\n"))
    assert columns["a"] == Name(("7",)) == columns["a"] and columns["b"] == Name(("1",))
    with pytest.raises(HvaeError, match="column 'b': expected a cell that is known, got none"):
        load(config_of(written(tmp_path, "a,b\n7,\n8,\n")))
    data = load(config_of(written(tmp_path, "a,b\n7,\n8,\n"), without=("b",)))
    assert data.shape == (1,)


def test_one_number_may_be_written_in_many_ways(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b\n3,1\n3.0,2\n3.00,3\n")
    data = load(config_of(path))
    assert data.train.batch(range(3)).observed is None
    assert not [line for line in data.provenance.transforms if "has not seen" in line]
    names = columns_of(path, categories=("b",))
    coded = read_cells(written(tmp_path, "a,b\n3,1.0\n4,+2\nx,2.5\n")).codes(names, "new", TOP)
    assert coded.each["b"].values[:2].tolist() == [1 / 3, 2 / 3]
    assert dict(coded.each["b"].strange) == {"2.5": 1} and dict(coded.each["a"].strange) == {"4": 1, "x": 1}
    apart = columns_of(written(tmp_path, "a\n1\n1.0\n"), categories=("a",))["a"]
    assert apart == Name(("1", "1.0")) and apart.codes(["1", "1.0", "1.00"], TOP, "new").strange == {"1.00": 1}


@pytest.mark.parametrize(("low", "high"), [(1.7e9, 1.7e9 + 1000), (-1e12, -1e12 + 1e5), (0.0, 1e-12), (-3e250, 1e10)])
def test_a_real_number_is_written_to_the_digits_of_its_range(low: float, high: float) -> None:
    column, shares = Real(low, high), np.linspace(0, 1, 9)
    values = np.rint(1 + shares * (TOP - 1)) / TOP
    back = np.array([float(word) for word in column.words(values, TOP)])
    assert (np.abs(back - column.numbers(values, TOP)) <= 5e-5 * (high - low)).all() and len(set(back)) == 9


def test_a_table_before_a_run_is_read_by_the_columns_of_the_run(tmp_path: Path) -> None:
    columns = columns_of(written(tmp_path, GOOD))
    path = written(tmp_path, 'job,age,other,"size, cm"\nnurs,50,x,100\nclerk,30.4,y,\n')
    coded = read_cells(path).codes(columns, "new", TOP)
    assert np.isnan(coded.values).tolist() == [[False, False, True], [False, True, False]]
    unread, beyond, between, strange = coded.notes()
    assert unread == "1 column that training has not seen, not read: 'other'"
    assert "1 number beyond the range" in beyond and "1 number between the whole ones" in between
    assert "'nurs' in 1; did you mean 'nurse'?" in strange
    with pytest.raises(HvaeError, match="expected a column 'job', got none"):
        read_cells(written(tmp_path, 'age,"size, cm"\n1,2\n')).codes(columns, "new", TOP)
    with pytest.raises(HvaeError, match="row 1: expected a number, or an empty cell, got 'red'"):
        read_cells(written(tmp_path, 'age,job,"size, cm"\nred,nurse,2\n')).codes(columns, "new", TOP)
    for cell, todo in (("True", "write a number, as the training data have"), ('"1,5"', "write decimal points")):
        with pytest.raises(HvaeError, match=todo) as fault:
            read_cells(written(tmp_path, f'age,job,"size, cm"\n{cell},nurse,2\n')).codes(columns, "new", TOP)
        assert "--data.categories" not in str(fault.value)  # no option of a run that has learnt its columns


def test_what_is_said_of_columns_is_heard(tmp_path: Path) -> None:
    path = written(tmp_path, "place,id\n10115,a\n10117,b\n10115,-\n")
    assert columns_of(path, categories=("place",))["place"] == Name(("10115", "10117"))
    assert columns_of(path, missing=("-",))["id"] == Name(("a", "b"))
    assert list(columns_of(path, without=("id",))) == ["place"]
    for key in ("categories", "without"):
        with pytest.raises(HvaeError, match=f"data.{key}: table has no column 'plaze'; did you mean 'place'"):
            columns_of(path, **{key: ("plaze",)})
    with pytest.raises(HvaeError, match="got all of table left out"):
        columns_of(path, without=("place", "id"))
    with pytest.raises(HvaeError, match="speaks of the columns of a table, and data.name is digits"):
        DataConfig(without=("id",))


def test_an_identifier_is_refused(tmp_path: Path) -> None:
    words = "".join(f"w{i},{i % 3}\n" for i in range(50))
    with pytest.raises(HvaeError, match="column 'id': got 50 names in 50 cells, as an identifier has"):
        load(config_of(written(tmp_path, f"id,n\n{words}")))
    counter = "".join(f"{i},{i % 3}\n" for i in range(100, 150))
    with pytest.raises(HvaeError, match="column 'id': counts the rows"):
        load(config_of(written(tmp_path, f"id,n\n{counter}")))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "first line of headings"),
        ("1,2\n3,4\n", "first line of headings"),
        (",\n3,4\n", "first line of headings"),
        ("a,\n3,4\n", "expected a heading for each column, got none for column 2; name it"),
        (",a\n0,4\n1,3\n", r"got none for column 1 \(row numbers, .* index=False\); name it"),
        ("a,a\n3,4\n", "a name of its own for each column, got 'a' twice"),
        ("a,b\n", "rows below the headings"),
        ("a,b\n1,2\n3\n", "row 2: expected 2 cells"),
        ("a,b\n1,red\n2,3\n", "column 'b': expected numbers, as 1 of 2 known cells are, got 'red'; leave cells empty"),
        ('a,b\n1,"3,5"\n2,3\n', "got '3,5'; write decimal points"),
        ("a;b\n1;2\n", "expected commas between cells, got semicolons"),
        ("a\tb\n1\t2\n", "got tabs"),
        ("a,b\n1,inf\n2,3\n", "got 'inf'"),
        ("a,b\n,\n,\n", "column 'a': expected a cell that is known"),
        ("a\n" + "x" * 201 + "\ny\n", "names of up to 200 letters"),
        ('a\n"1,5"\n"2,5"\n', "column 'a': expected numbers, got '1,5'; write decimal points"),
        ('a\n"1.500,5"\n', "expected numbers, got '1.500,5'"),
        ("a\n1e308\n-1e308\n", r"numbers of up to 1e\+300, got 1e\+308"),
        ("a\n1e301\n", "numbers of up to"),
        (f"a\n{10**20}\n{10**20 + 1}\n", "numbers that differ in their first 10 digits, got '1000"),
        (f"a\n{2**53}\n{2**53 + 2}\n", "differ in their first 10 digits"),
        ("a\n0.3\n0.30000000000000004\n", "differ in their first 10 digits"),
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
