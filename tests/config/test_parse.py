"""The one reader of plain values: types, texts, and errors that name the key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest

from hvae.config.bounds import Length
from hvae.config.parse import plain, read, typed
from hvae.config.words import describe
from hvae.errors import HvaeError


@dataclass(frozen=True, kw_only=True)
class Inner:
    start: int = 0
    by_level: int | dict[str, int] = 0


@dataclass(frozen=True, kw_only=True)
class Outer:
    needed: str
    flag: bool = False
    size: tuple[int, int] | None = None
    many: tuple[float, ...] = ()
    shape: Literal["linear", "cyclical"] = "linear"
    inner: Inner = field(default_factory=Inner)
    inners: tuple[Inner, ...] = ()


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, "12", 12),
        (int, "1e5", 100_000),
        (int, 3.0, 3),
        (float, "1e-3", 1e-3),
        (float, 2, 2.0),
        (bool, "true", True),
        (bool, "off", False),
        (str, "none", "none"),
        (str | None, "none", None),
        (int | None, "None", None),
        (tuple[int, ...], "8,4", (8, 4)),
        (tuple[int, ...], "8", (8,)),
        (tuple[int, ...], "", ()),
        (tuple[int, ...], "[8, 4]", (8, 4)),
        (tuple[int, ...], "(8, 4)", (8, 4)),
        (tuple[int, ...], 8, (8,)),
        (tuple[float, float], "0.9,0.99", (0.9, 0.99)),
        (dict[str, float], "z1=4,z2=1e-1", {"z1": 4.0, "z2": 0.1}),
        (dict[str, float], "{z1: 4}", {"z1": 4.0}),
        (float | dict[str, float], "z1=4", {"z1": 4.0}),
        (float | dict[str, float], "4", 4.0),
        (int | Literal["auto"], "auto", "auto"),
        (int | Literal["auto"], "2", 2),
        (Literal["32", "bf16"], 32, "32"),
    ],
)
def test_a_value_or_a_text_becomes_its_type(kind: object, text: object, value: object) -> None:
    found = typed(kind, text, "key")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needed is missing; expected a text"),
        ({"needed": "a", "flg": True}, r"no key named 'flg'; did you mean 'flag'\?"),
        ({"needed": ["a"]}, r"needed: expected a text, got \['a'\]"),
        ({"needed": "a", "flag": 1}, "flag: expected true or false, got 1"),
        ({"needed": "a", "size": "3"}, "size: expected 2 whole numbers as A,B or none, got '3'"),
        ({"needed": "a", "size": [3, True]}, r"size: expected 2 whole numbers as A,B or none, got \[3, True\]"),
        ({"needed": "a", "many": "1,x"}, r"many\[1\]: expected a number, got 'x'"),
        ({"needed": "a", "many": [float("nan")]}, r"many\[0\]: expected a finite number, got nan"),
        ({"needed": "a", "many": ","}, "many: expected numbers as A,B,... got ','"),
        ({"needed": "a", "many": None}, "many: expected numbers as A,B,... got None"),
        ({"needed": "a", "shape": "cyclicl"}, "shape: no choice named 'cyclicl'; did you mean 'cyclical'"),
        ({"needed": "a", "inner": 3}, "inner: expected Inner as keys and values, got 3"),
        ({"needed": "a", "inner": {"stat": 3}}, r"no key named 'inner.stat'; did you mean 'inner.start'\?"),
        ({"needed": "a", "inner": {"start": "x"}}, "inner.start: expected a whole number, got 'x'"),
        ({"needed": "a", "inner": {"by_level": {"z1": "x"}}}, "inner.by_level.z1: expected a whole number, got 'x'"),
        ({"needed": "a", "inners": [{"start": 1.5}]}, r"inners\[0\].start: expected a whole number, got 1.5"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_its_key(given: dict[str, object], message: str) -> None:
    with pytest.raises(HvaeError) as fault:
        read(Outer, given)
    assert "\n" not in str(fault.value)
    with pytest.raises(HvaeError, match=message.replace(",...", ",...,").replace("|", r"\|")):
        read(Outer, given)


def test_the_place_of_a_section_comes_before_its_keys() -> None:
    with pytest.raises(HvaeError, match="no key named 'train.inner.stat'; did you mean 'train.inner.start'"):
        read(Outer, {"needed": "a", "inner": {"stat": 3}}, "train")


def test_what_is_left_out_has_its_default() -> None:
    assert read(Outer, {"needed": "a", "inner": {"start": 2}}) == Outer(needed="a", inner=Inner(start=2))


def test_plain_is_the_inverse_of_read() -> None:
    value = Outer(needed="a", size=(3, 4), many=(1.0,), inner=Inner(by_level={"z1": 2}), inners=(Inner(start=1),))
    assert read(Outer, plain(value)) == value


def test_types_are_described_in_words() -> None:
    assert describe(int | Literal["auto"]) == "a whole number or auto"
    assert describe(tuple[float, float]) == "2 numbers as A,B"
    assert describe(bool) == "true or false"


@pytest.mark.parametrize("value", [["x"] * 4, {str(i): "x" for i in range(4)}])
def test_too_many_entries_are_refused_before_one_of_them_is_read(value: object) -> None:
    kind = Annotated[dict[str, int] if isinstance(value, dict) else tuple[int, ...], Length(0, 3)]
    with pytest.raises(HvaeError, match="a: expected 0 to 3 entries"):
        typed(kind, value, "a")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("z1=4,z1=2", "objective.beta: 'z1' stands twice"),
        ("z1=4,z2", "objective.beta: 'z2' has no value"),
        ("0.5,z1=4", "objective.beta: '0.5' has no value"),
    ],
)
def test_a_name_that_stands_twice_or_has_no_value_is_refused(text: str, line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        typed(float | dict[str, float], text, "objective.beta")
    assert typed(dict[str, float], "z1=4,z2=1,", "") == {"z1": 4.0, "z2": 1.0}
