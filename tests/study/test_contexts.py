"""Classes by their names, where the data that name them may be elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import hvae
from hvae.condition import Condition
from hvae.errors import HvaeError, HvaeWarning
from hvae.study.conditions import Meanings, meanings, numbers


def test_a_name_without_the_data_that_hold_it_is_one_line_and_asks_for_the_number(tmp_path: Path) -> None:
    run = hvae.load("mnist-ladder-class")
    data = replace(run.config.data, name="folder", path=str(tmp_path / "gone"))
    elsewhere = meanings(replace(run, config=replace(run.config, data=data)))
    with pytest.raises(HvaeError, match="^label: got 'seven', .* give the number of the class$"):
        numbers(run.model, {"label": "seven"}, elsewhere)


def test_a_number_needs_no_data() -> None:
    def none() -> Sequence[str]:
        raise AssertionError("nobody needs the names")

    run = hvae.load("mnist-ladder-class")
    assert numbers(run.model, {"label": "7, 2"}, meanings(run, none)) == {"label": [7, 2]}


def of_folders(run: hvae.LoadedRun, *titles: str) -> Meanings:
    """What a context means where folders of these names are the classes."""
    return replace(meanings(run, lambda: titles), has_folders=True)


def test_a_class_is_named_as_its_folder_is_whatever_else_the_name_may_mean() -> None:
    run = hvae.load("mnist-ladder-class")
    said = of_folders(run, "007", "1", "10", "2", "a,b", "c=d", "caf\u00e9", "e\u0301t\u00e9")
    words = {"2": 3, "10": 2, "007": 0, "3": 3, "a,b": 4, "c=d": 5, "cafe\u0301": 6, "\u00e9t\u00e9": 7, "-1": -1}
    for word, number in words.items():
        assert numbers(run.model, {"label": word}, said) == {"label": number}, word
    assert numbers(run.model, {"label": "1,2, 10"}, said) == {"label": [1, 3, 2]}


def test_a_number_of_folders_that_are_elsewhere_says_what_it_is_read_as(tmp_path: Path) -> None:
    run = hvae.load("mnist-ladder-class")
    data = replace(run.config.data, name="folder", path=str(tmp_path / "gone"))
    elsewhere = meanings(replace(run, config=replace(run.config, data=data)))
    with pytest.warns(HvaeWarning, match="^label: the run's data, .* 2 is read as the number of a class, from 0"):
        assert numbers(run.model, {"label": "2"}, elsewhere) == {"label": 2}


def test_whole_numbers_may_be_written_as_tables_write_them() -> None:
    run = hvae.load("mnist-ladder-class")
    said = meanings(run, lambda: ())
    for word, number in {"7.0": 7, "7.": 7, "+7": 7, "07": 7, "-1.0": -1}.items():
        assert numbers(run.model, {"label": word}, said) == {"label": number}
    for word in ("--7", "-", "7.5", "1e0", "\u00b2", "nan", ""):
        with pytest.raises(HvaeError, match="^label: the run's data name no classes, got .*; give the number"):
            numbers(run.model, {"label": word}, said)


def test_numbers_of_a_vector_are_read_as_in_tables() -> None:
    run = hvae.load("mnist-ladder-class")
    model = SimpleNamespace(conditions={"attributes": Condition(shape=(2,))})
    values = numbers(model, {"attributes": "31, -0.5"}, meanings(run))  # type: ignore[arg-type]
    assert values == {"attributes": [31.0, -0.5]}
    for word in ("1_0", "--7", "inf", "1e400", "", "red"):
        with pytest.raises(HvaeError, match=r"^attributes: expected a number \(nan: unknown\), got"):
            numbers(model, {"attributes": f"1,{word}"}, meanings(run))  # type: ignore[arg-type]
