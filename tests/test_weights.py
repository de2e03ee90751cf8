"""Weights at rest: what is read is what was written, or an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from hvae.errors import HvaeError
from hvae.weights import DIGEST, digest, load_weights, read_weights, save_weights

TENSORS = {
    "w": torch.arange(600.0).view(20, 30),
    "half": torch.ones(7, dtype=torch.bfloat16),
    "count": torch.tensor(3),
    "mask": torch.tensor([True, False]),
    "none": torch.zeros(0, 2),
    "turned": torch.arange(6.0).view(2, 3).T,
}
DESCRIPTION: dict[str, Any] = {"bits": 8, "shape": (3, 4), "sigma": 0.1, "levels": {1: "a"}, "nan": float("inf")}


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_weights(path, TENSORS, DESCRIPTION)
    found, description = load_weights(path)
    assert description == json.loads(json.dumps(DESCRIPTION))
    assert set(found) == set(TENSORS)
    assert all(torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in TENSORS.items())


def test_the_description_carries_the_digest(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_weights(path, TENSORS, DESCRIPTION)
    written = json.loads(_header(path.read_bytes())["__metadata__"]["hvae"])
    assert written[DIGEST] == digest(*load_weights(path)) and len(written[DIGEST]) == 64
    save_weights(path, TENSORS, {**DESCRIPTION, DIGEST: "of another file"})
    assert load_weights(path)[1] == json.loads(json.dumps(DESCRIPTION))


def _header(content: bytes) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return header


def test_a_flipped_bit_is_found_wherever_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_weights(path, TENSORS, DESCRIPTION)
    content = path.read_bytes()
    for place in [*range(0, len(content), 41), len(content) - 1]:
        flipped = bytearray(content)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(HvaeError, match="is damaged") as caught:
            load_weights(path)
        assert "\n" not in str(caught.value)


def test_the_line_says_what_happened(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_weights(path, TENSORS, DESCRIPTION)
    content = bytearray(path.read_bytes())
    content[content.index(TENSORS["w"].numpy().tobytes()) + 9] ^= 4
    path.write_bytes(content)
    with pytest.raises(HvaeError, match=r"expected sha256 \w{12}\.\.\. of its content, found .* a bit has flipped"):
        load_weights(path)


def test_a_changed_description_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_weights(path, TENSORS, DESCRIPTION)
    content = path.read_bytes()
    assert content.count(b'\\"bits\\": 8') == 1
    path.write_bytes(content.replace(b'\\"bits\\": 8', b'\\"bits\\": 5'))
    with pytest.raises(HvaeError, match="a bit has flipped"):
        load_weights(path)


def test_files_of_before_the_digest_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    plain = {name: value.contiguous() for name, value in TENSORS.items()}
    save_file(plain, path, metadata={"hvae": json.dumps({"bits": 8})})
    found, description = load_weights(path)
    assert description == {"bits": 8} and torch.equal(found["w"], TENSORS["w"])


def test_what_is_no_description_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for metadata in (None, {"hvae": "3"}, {"hvae": "{"}, {"other": "{}"}):
        save_file({"w": torch.ones(1)}, path, metadata=metadata)
        with pytest.raises(HvaeError, match="is damaged or not an hvae weight file"):
            load_weights(path)


@pytest.mark.parametrize(
    "other",
    [
        {"w": torch.ones(3, 2)},
        {"w": torch.ones(2, 3).double()},
        {"v": torch.ones(2, 3)},
        {"w": torch.ones(2, 3), "v": torch.zeros(0)},
        {"w": -torch.ones(2, 3)},
    ],
)
def test_the_digest_sees_names_types_shapes_and_values(other: dict[str, torch.Tensor]) -> None:
    one = {"w": torch.ones(2, 3)}
    assert digest(one) == digest({"w": torch.ones(3, 2).T}) != digest(other)
    assert digest(one) != digest(one, {"bits": 8})
    two = {"a": torch.ones(1), "b": torch.zeros(1)}
    assert digest(two) == digest(dict(reversed(two.items())))


def test_a_file_of_holes_is_no_weight_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with open(path, "wb") as f:
        f.write(b"header")
        f.truncate(1 << 36)
    with pytest.raises(HvaeError, match="expected a whole file"):
        read_weights(path)


def test_weights_that_are_gone_can_be_written_anew(tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match="train first"):
        read_weights(tmp_path / "model.safetensors")
    (tmp_path / "last.ckpt").touch()
    with pytest.raises(HvaeError, match=r"no weights at .*; hvae train .* --resume writes them anew"):
        read_weights(tmp_path / "model.safetensors")
