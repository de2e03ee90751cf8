"""Classes by their names, where the data that name them may be elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import hvae
from hvae.errors import HvaeError
from hvae.study.conditions import meanings, numbers


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
