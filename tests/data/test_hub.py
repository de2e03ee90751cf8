"""The hub reader against a small stand-in for the package, which is optional and heavy."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy_hub import FEATURES, Rows, install, png

from hvae.config.data import DataConfig
from hvae.data import load
from hvae.errors import HvaeError

HUB = DataConfig(name="hub", path="owner/pets", valid=1)


def test_splits_classes_and_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [png() for _ in range(6)]
    install(monkeypatch, {"train": Rows(images[:4], FEATURES), "test": Rows(images[4:], FEATURES), "odd": Rows([], {})})
    data = load(HUB)
    assert (len(data.train), len(data.valid), len(data.test), data.shape) == (3, 1, 2, (3, 5, 4))
    assert data.classes == ("cat", "dog") and data.test.labels is not None and data.test.labels.tolist() == [0, 1]
    expected = np.asarray(Image.open(io.BytesIO(images[5]))).transpose(2, 0, 1)
    assert (data.test.levels([1])[0].numpy() == expected).all()
    assert data.provenance.name == "hub:owner/pets" and "f00d" in data.provenance.source


def test_scripts_beside_the_data_are_never_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool | None] = []

    def load_dataset(_: str, trust_remote_code: bool | None = None) -> dict[str, Rows]:
        asked.append(trust_remote_code)
        return {"train": Rows([png() for _ in range(4)], FEATURES)}

    install(monkeypatch, {})
    monkeypatch.setattr(sys.modules["datasets"], "load_dataset", load_dataset)
    load(HUB)
    assert asked == [False]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (ConnectionError("no such set\nlong story"), "cannot load 'owner/pets' from the hub: no such set; check"),
        ({"full": Rows([], {})}, "expected a split named train in 'owner/pets', got full"),
        ({"train": Rows([b""], {"text": 1})}, "expected a column of images in 'owner/pets', got text"),
        ({"train": Rows([png(), b"torn"], FEATURES)}, r"cannot read the picture owner/pets\[train\]\[1\]"),
        ({"train": Rows([png(), png((9, 9))], FEATURES)}, r"\[0\] with 5x4 and .*\[1\] with 9x9; set data.size"),
    ],
)
def test_faults_are_one_line(found: dict[str, Rows] | Exception, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, found)
    with pytest.raises(HvaeError, match=message) as caught:
        load(HUB)
    assert "\n" not in str(caught.value)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(HvaeError, match="-m pip install 'datasets>="):
        load(HUB)
