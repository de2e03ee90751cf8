"""Files of latents: every order of bytes, and one line for what is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hvae.errors import HvaeError
from hvae.study.latentfiles import read_latents


@pytest.mark.parametrize("kind", ["<f4", ">f4", ">f8", ">i2"])
def test_latents_of_any_order_of_bytes_are_read(kind: str, tmp_path: Path) -> None:
    numbers = np.arange(6.0).reshape(2, 3)
    np.savez(tmp_path / "z.npz", **{"z1": numbers.astype(kind), "context/label": np.array([1, 2], ">i8")})  # type: ignore[arg-type]
    content = read_latents(tmp_path / "z.npz")
    assert content.values["z1"].tolist() == numbers.tolist() and content.context["label"].tolist() == [1, 2]


MEANS = np.array(json.dumps({"levels": {"z1": [3]}, "pool": "mean"}))


@pytest.mark.parametrize(
    ("arrays", "line"),
    [
        ({"z1": np.full((2, 3), np.nan)}, "FILE: expected finite arrays"),
        ({"z1": np.array(["a"])}, "FILE, 'z1': expected real numbers, got <U1"),
        ({"z1": np.ones((2, 3)), "about": MEANS}, "FILE holds means over places"),
        ({"z1": np.ones(2), "context/label": np.array(["a", "b"])}, "expected numbers as 'context/label' of FILE, got"),
        ({"z1": np.ones(2), "about": np.array("{")}, "FILE: expected an .npz file of latents"),
    ],
)
def test_a_file_of_another_form_is_named_once(arrays: dict[str, np.ndarray], line: str, tmp_path: Path) -> None:
    path = tmp_path / "z.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(HvaeError) as caught:
        read_latents(path)
    said = str(caught.value)
    assert said.startswith(line.replace("FILE", str(path))) and said.count(str(path)) == 1, said
