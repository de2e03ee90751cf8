"""Tables of Parquet: the same cells as those of CSV, and one line for what is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hvae.config.data import DataConfig
from hvae.data import load, parquet
from hvae.data.columns import Name, Real, Whole
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


def test_the_package_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(HvaeError, match=r"the package 'pyarrow' \(extra 'parquet'\) is not installed"):
        load(config_of(tmp_path / "t.parquet"))
