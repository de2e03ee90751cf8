"""One check of every value: the same line from Python, a file and the command line."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, get_args, get_origin

import pytest

from hvae.config import FAMILIES, LadderConfig, RunConfig, TrainConfig
from hvae.config.parse import declared
from hvae.config.run import SECTIONS
from hvae.errors import HvaeError

WRONG = [
    ("train.steps", 0, "expected at least 1, got 0"),
    ("train.steps", "1e30", "expected at most 1,000,000,000,000, got 1000000000000000000000000000000"),
    ("train.steps", 1.5, "expected a whole number, got 1.5"),
    ("train.steps", "1e999999999", "expected a whole number, got '1e999999999'"),
    ("train.steps", "", "expected a whole number, got ''"),
    ("train.steps", True, "expected a whole number, got True"),
    ("train.batch", 10**14, "expected at most 1,000,000,000, got 100000000000000"),
    ("train.seed", 2**64, "expected a whole number from 0 to 2\\^64 - 1, got 18446744073709551616"),
    ("train.seed", -1, "expected a whole number from 0 to 2\\^64 - 1, got -1"),
    ("train.lr", float("inf"), "expected a finite number, got inf"),
    ("train.lr", float("nan"), "expected a finite number, got nan"),
    ("train.betas", (1, 1), r"train.betas\[0\]: expected a decay from 0 to below 1, got 1.0"),
    ("train.betas", (0.9,), r"expected 2 numbers as A,B, got"),
    ("train.optimiser", "adan", "no choice named 'adan'; did you mean 'adam'"),
    ("train.strategy", "", "expected 1 to 200 characters, got none"),
    ("train.devices", 0, "expected at least 1, got 0"),
    ("model.latent", 10**20, "expected at most 1,000,000, got 100000000000000000000"),
    ("model.groups", (), "expected 1 to 100 entries, got none"),
    ("model.groups", (10**7,), r"model.groups\[0\]: expected at most 1,000, got 10000000"),
    ("model.sigma", 0.0, "expected a standard deviation from 0.000001 to 1,000, got 0.0"),
    ("data.size", (100_000, 100_000), r"data.size\[0\]: expected at most 16,384, got 100000"),
    ("data.size", "", "expected 2 whole numbers as A,B or none, got"),
    ("data.channels", 2, r"expected 1 \(grey\), 3 \(colour\), or 0 \(those of the images\), got 2"),
    ("data.valid", 1.0, "expected a count, or a share from 0 to below 1, got 1.0"),
    ("data.valid", "1.5", "expected a count, or a share from 0 to below 1, got 1.5"),
    ("data.valid", -1, "expected a count, or a share from 0 to below 1, got -1"),
    ("data.bits", 17, r"expected 1 to 16 bits, or 0 \(those of the data\), got 17"),
    ("data.crop", "middle", "no choice named 'middle'"),
    ("objective.beta", {"z1": -1}, "objective.beta.z1: expected at least 0, got -1"),
    ("objective.warmup.length", -1, "expected a number of steps, or a share of train.steps from 0 to below 1, got -1"),
    ("evaluate.samples", 10**12, "expected at most 1,000,000, got 1000000000000"),
    ("evaluate.held", 0, "expected at least 1, got 0"),
    ("evaluate.measures", (), "evaluate.measures: expected one or more of quick, all, likelihood"),
]


@pytest.mark.parametrize(("key", "value", "line"), WRONG, ids=[f"{key}={str(value)[:12]}" for key, value, _ in WRONG])
def test_a_wrong_value_is_one_line_from_every_side(key: str, value: object, line: str) -> None:
    *path, name = key.split(".")
    kind = declared(RunConfig)[path[0]] if path[0] != "model" else LadderConfig
    for inner in path[1:]:
        kind = declared(kind)[inner]
    with pytest.raises(HvaeError, match=line) as python:
        kind(**{name: value})
    with pytest.raises(HvaeError, match=line) as document:
        RunConfig().override({key: value})
    assert str(python.value) == str(document.value) and "\n" not in str(python.value)
    assert str(python.value).startswith(key)


@pytest.mark.parametrize(
    ("text", "seed"),
    [("9007199254740993", 2**53 + 1), ("18446744073709551615", 2**64 - 1), ("1e3", 1000), (" 12 ", 12), ("3.0", 3)],
)
def test_whole_numbers_keep_their_digits(text: str, seed: int) -> None:
    assert RunConfig().override({"train.seed": text}).train.seed == seed
    assert TrainConfig(seed=seed).seed == RunConfig.from_yaml(f"train: {{seed: {seed}}}").train.seed == seed


def test_python_values_become_their_types() -> None:
    config = TrainConfig(lr=1, betas=[0.5, 0.9])  # type: ignore[arg-type]
    assert type(config.lr) is float and config.betas == (0.5, 0.9)


def numbers(kind: Any, bounded: bool = False) -> list[bool]:
    """Whether each number within a type has bounds."""
    if get_origin(kind) is Annotated:
        return numbers(get_args(kind)[0], True)
    if kind in (int, float):
        return [bounded]
    return [one for inner in get_args(kind) if isinstance(inner, type) or get_args(inner) for one in numbers(inner)]


@pytest.mark.parametrize(
    "kind",
    [*(family.config for family in FAMILIES.values()), *(SECTIONS[name] for name in SECTIONS if name != "model")],
)
def test_every_number_has_bounds(kind: type) -> None:
    for field in fields(kind):  # type: ignore[arg-type]
        assert all(numbers(declared(kind)[field.name])), field.name
