from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
import torch

from hvae.data.provenance import Provenance, checksum, differences
from hvae.errors import HvaeError

RECORD = Provenance(
    name="mnist",
    source="/data/mnist",
    sizes={"train": 9, "valid": 1, "test": 2},
    checksums={"train": "aa", "valid": "bb", "test": "cc"},
    bits=8,
    shape=(1, 28, 28),
    transforms=("5 bits",),
)


def test_a_record_survives_json() -> None:
    assert Provenance.from_dict(json.loads(json.dumps(RECORD.to_dict()))) == RECORD


def test_a_record_of_before_the_tally_is_read() -> None:
    old = {key: value for key, value in RECORD.to_dict().items() if key != "tally"}
    assert Provenance.from_dict(old) == RECORD


@pytest.mark.parametrize(
    "wrong", [{"shape": 3}, {"shape": ["a"]}, {"tally": 4}, {"tally": {"bad": [1]}}, {"transforms": None}]
)
def test_a_record_of_another_form_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(HvaeError, match="expected a provenance record"):
        Provenance.from_dict({**RECORD.to_dict(), **wrong})


@pytest.mark.parametrize("broken", [{}, {"name": "mnist"}, {**RECORD.to_dict(), "colour": "red"}])
def test_a_foreign_record_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(HvaeError, match="missing or unknown"):
        Provenance.from_dict(broken)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": "mnist-static"}, ["name"]),
        ({"version": "first 1,000 of 10,000 test images"}, ["version"]),
        ({"bits": 5}, ["bits"]),
        ({"shape": (1, 32, 32)}, ["shape"]),
        ({"binarisation": "dynamic"}, ["binarisation"]),
        ({"checksums": {"train": "aa", "valid": "bb", "test": "xx"}}, ["test checksum"]),
        ({"checksums": {"train": "xx", "valid": "xx", "test": "cc"}}, []),
        ({"source": "/elsewhere", "sizes": {"train": 5, "valid": 5, "test": 2}}, []),
    ],
)
def test_differences_name_what_forbids_a_comparison(change: dict[str, object], expected: list[str]) -> None:
    assert differences(RECORD, replace(RECORD, **change)) == expected


def test_the_checksum_is_the_sha256_of_the_levels_however_they_are_cut() -> None:
    levels = torch.arange(24, dtype=torch.uint8).reshape(4, 1, 2, 3)
    expected = hashlib.sha256(bytes(range(24))).hexdigest()
    assert checksum([levels]) == checksum(levels.split(3)) == expected
    assert checksum([levels.transpose(2, 3)]) != expected


def test_it_reads_as_a_line() -> None:
    assert str(RECORD) == "mnist: 9 / 1 / 2 images of 1x28x28, 8 bit, binarisation none"
