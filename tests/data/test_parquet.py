"""Tables of Parquet: the same cells as those of CSV, and one line for what is none."""

from __future__ import annotations

import datetime
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hvae.config.data import DataConfig
from hvae.data import load, parquet
from hvae.data.columns import Name, Real, Whole
from hvae.data.tables import read_cells
from hvae.errors import HvaeError


def config_of(path: Path) -> DataConfig:
    return DataConfig(name="table", path=str(path), valid=0, test=0)


def test_cells_are_those_of_a_csv_of_the_same_table(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    columns = ([31, 29, 35], [1.5, float("nan"), 3.0], ["a", None, "b"], [True, False, None])
    (tmp_path / "t.parquet").write_bytes(parquet.as_parquet(["age", "size", "job", "yes"], columns))
    (tmp_path / "t.csv").write_text("age,size,job,yes\n31,1.5,a,True\n29,,,False\n35,3.0,b,\n")
    ours, theirs = (load(config_of(tmp_path / f"t.{end}")) for end in ("parquet", "csv"))
    assert ours.provenance.columns == theirs.provenance.columns
    assert list(ours.provenance.columns.values()) == [
        Whole(29, 35),
        Real(1.5, 3),
        Name(("a", "b")),
        Name(("False", "True")),
    ]
    assert ours.train.batch(range(3)).x.equal(theirs.train.batch(range(3)).x)


def test_whole_numbers_stay_what_they_are_beside_one_that_is_filled(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    largest = 2**63 - 1
    (tmp_path / "t.parquet").write_bytes(parquet.as_parquet(["n"], [[2**53 + 1, largest, None]]))  # type: ignore[list-item]
    table = read_cells(tmp_path / "t.parquet")
    rows = table.filled([["1"], ["1"], ["1.23457e+18"]], {"n": Real(2**53 + 1, largest)})
    (tmp_path / "t.parquet").write_bytes(table.types.content(["n"], list(zip(*rows, strict=True))))
    again = read_cells(tmp_path / "t.parquet")
    assert again.cells == [[str(2**53 + 1)], [str(largest)], ["1234570000000000000"]]


def test_what_is_no_table_of_numbers_and_words_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "t.parquet"
    for columns, line in (
        ([[[1], [2]]], "column 'a': expected numbers or words, got 'list"),
        ([[b"x", b"y"]], "got 'binary'"),
        ([["x" * 2000, "y"]], "cells of up to 1,000 letters"),
    ):
        path.write_bytes(parquet.as_parquet(["a"], columns))  # type: ignore[arg-type]
        with pytest.raises(HvaeError, match=line):
            load(config_of(path))
    whole = parquet.as_parquet(["a"], [[1, 2, 3]])
    for content in (b"", b"PAR1", whole[: len(whole) // 2], b"a,b\n1,2\n", whole[:-20] + b"\xff" * 20):
        path.write_bytes(content)
        with pytest.raises(HvaeError, match="expected a Parquet table"):
            load(config_of(path))
    monkeypatch.setattr(parquet, "MOST_CELLS", 2)
    path.write_bytes(whole)
    with pytest.raises(HvaeError, match="at most 2 cells, got 3"):
        load(config_of(path))


def kept() -> dict[str, Any]:
    """Columns that no model reads, of types that are neither numbers nor words."""
    day = datetime.datetime(2026, 1, 2, 3, 4, 5)
    return {
        "day": [day.date(), None, day.date()],
        "time": [day, day, None],
        "parts": [{"a": 1, "b": [1, 2]}, {"a": 2, "b": []}, None],
        "list": [[1.5], [], [2.0, 3.0]],
        "bytes": [b"x", b"'y'", None],
    }


def test_columns_that_nobody_reads_may_be_of_any_type_and_come_back_as_they_were(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    path = tmp_path / "t.parquet"
    cells = {
        "price": pyarrow.array([Decimal("1.25"), None, Decimal("3.50")], pyarrow.decimal128(8, 2)),
        "job": pyarrow.array(["a", "b", "a"], pyarrow.string_view()),
        "count": pyarrow.array([2**64 - 1, None, 5], pyarrow.uint64()),
        "small": pyarrow.array([1.5, 2.5, None], pyarrow.float32()),
        "yes": pyarrow.array([True, None, False]),
        **{name: pyarrow.array(values) for name, values in kept().items()},
    }
    pyarrow.parquet.write_table(pyarrow.table(cells), path)
    config = replace(config_of(path), without=tuple(kept()))
    columns = load(config).provenance.columns
    assert {name: type(column) for name, column in columns.items()} == {
        **{"price": Real, "job": Name, "count": Real, "small": Real, "yes": Name}
    }
    table = read_cells(path)
    words = [column.words(np.full(3, 0.5), 65535) for column in columns.values()]
    rows = table.filled(list(zip(*words, strict=True)), columns)
    (tmp_path / "out.parquet").write_bytes(table.types.content(table.names, list(zip(*rows, strict=True))))
    before, after = (pyarrow.parquet.read_table(one).to_pydict() for one in (path, tmp_path / "out.parquet"))
    assert {name: after[name] for name in kept()} == kept()
    assert after["price"][::2] == before["price"][::2] and after["price"][1] is not None
    assert after["yes"][::2] == [True, False] and after["small"][:2] == [1.5, 2.5] and after["job"] == ["a", "b", "a"]
    # A number that fills a gap may have no room in the type of its column, here an unsigned one.
    assert [float(number) for number in after["count"][::2]] == [float(2**64), 5.0]
    first = read_cells(path).first(2)
    content = first.types.content(first.names, list(zip(*first.cells, strict=True)))
    (tmp_path / "first.parquet").write_bytes(content)
    assert pyarrow.parquet.read_table(tmp_path / "first.parquet").num_rows == 2


@pytest.mark.parametrize("name", kept())
def test_a_column_of_another_type_is_refused_once_it_is_to_be_read(name: str, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pyarrow.parquet.write_table(pyarrow.table({"a": [1, 2, 3], name: kept()[name]}), tmp_path / "t.parquet")
    with pytest.raises(HvaeError, match=f"t.parquet, column '{name}': expected numbers or words, got '.*; convert it"):
        load(config_of(tmp_path / "t.parquet"))


def test_the_package_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(HvaeError, match=r"the package 'pyarrow' \(extra 'parquet'\) is not installed"):
        load(config_of(tmp_path / "t.parquet"))
