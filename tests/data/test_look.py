from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy_hub import FEATURES, Rows, install, png

from hvae.config.data import DataConfig
from hvae.data.look import Form, look


@pytest.mark.parametrize(
    ("array", "form"),
    [
        (np.full((2, 48, 64, 3), 200, np.uint8), Form((3, 48, 64), 8)),
        (np.ones((2, 5, 5), np.uint8), Form((1, 5, 5), 1)),
        (np.full((2, 5, 5), 300, np.uint16), Form((1, 5, 5), 16)),
        (np.full((2, 5), 0.3), Form((5,), 0)),
        (np.eye(5)[None], Form((1, 5, 5), 1)),
    ],
)
def test_arrays_say_what_they_hold(array: np.ndarray, form: Form, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", array)
    # What is wished for is not what is there.
    assert look(DataConfig(name="npy", path=str(tmp_path / "x.npy"), bits=4, size=None)) == [form]


def test_pictures_of_many_forms_are_told_once_each(tmp_path: Path) -> None:
    for i, shape in enumerate([(6, 8, 3), (5, 5), (6, 8, 3)]):
        Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / f"{i}.png")
    assert look(DataConfig(name="folder", path=str(tmp_path))) == [Form((3, 6, 8), 8), Form((1, 5, 5), 8)]


def test_known_sets_are_known() -> None:
    assert look(DataConfig(name="mnist")) == [Form((1, 28, 28), 8)]
    assert look(DataConfig(name="mnist-dynamic")) == look(DataConfig(name="mnist-static")) == [Form((1, 28, 28), 1)]


def test_a_set_of_the_hub_says_what_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows([png(), png(), png((9, 9))], FEATURES)
    install(monkeypatch, {"train": rows, "test": rows, "odd": rows})
    assert look(DataConfig(name="hub", path="owner/pets")) == [Form((3, 5, 4), 8), Form((3, 9, 9), 8)]
