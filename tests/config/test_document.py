"""Configuration files from strangers: one line each, quickly, whatever they hold."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from hvae.config import RunConfig
from hvae.config.document import LARGEST, MOST, document
from hvae.errors import HvaeError, short

LAUGHS = "\n".join(["a0: &a0 [ha, ha]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))])
MERGES = "\n".join(
    ["m0: &m0 {k: v}", *(f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 9)}]}}" for i in range(1, 12))]
)

HOSTILE = {
    LAUGHS: "expected at most 20,000 values, each alias counted",
    MERGES: "expected at most 20,000 values",
    "a: &a [*a]": "line 1: \\*a contains itself",
    "a: &a {<<: *a}": "line 1: \\*a contains itself",
    "a: *b": "undefined alias",
    "data: {path: 2001-99-99, name: npy": "line 1",
    "a:\n  b: 0b_": "line 2: expected a value of type int, got '0b_'",
    "a: 0x_": "line 1: expected a value of type int",
    "a: !!int abc": "line 1: expected a value of type int, got 'abc'",
    "a: !!int ''": "line 1: expected a value of type int",
    "a: !!float abc": "line 1: expected a value of type float",
    "a: !!bool perhaps": "line 1: expected a value of type bool",
    "a: !!timestamp never": "line 1: could not determine a constructor",
    "a: !!map [1]": "line 1: expected a mapping node",
    "a: !!set {b}": "line 1: could not determine a constructor",
    f"train: {{steps: {'9' * 5000}}}": "line 1: expected a value of type int, got '999",
    f"train: {{steps: 0x{'f' * 5000}}}": "train.steps: expected a whole number, got an integer of 20,000 bits",
    f"train: {{steps: {'9' * 4000}}}": "train.steps: expected a whole number, got an integer of",
    "{a: " * 3000 + "}" * 3000: "expected values at most 20 deep",
    "[" * 3000: "expected values at most 20 deep",
    "- " * 3000: "expected values at most 20 deep",
    "[]\n---\n[]": "line 2: expected a single document",
    "? [1, 2]\n: 3": "line 1: expected a name as key, got a sequence",
    "? [a, b]\n: 3": "line 1: expected a name as key, got a sequence",
    "{{a: b}: 3}": "line 1: expected a name as key, got a mapping",
    "{{1: 2}: 3}": "line 1: expected a name as key",
    "1: 2": "line 1: expected a name as key, got '1'",
    "train: {null: 2}": "line 1: expected a name as key, got 'null'",
    "2001-01-01: 2": "no section named '2001-01-01'",
    "train:\n  steps: 1\n  lr: 2\n  steps: 3": "line 4: key 'steps' stands in line 2 already",
    "train: {steps: 1}\ndata: {}\n'train': {}": "line 3: key 'train' stands in line 1 already",
    "train:\n\tsteps: 1": "line 2: .*found character '\\\\t'",
    "a: \0": "unacceptable character",
    'data: {path: "a\\0b"}': "data.path: expected a text, got 'a\\\\x00b'",
    'a: "\\UFFFFFFFF"': "not readable as YAML",
    f"%YAML 1.{'9' * 5000}\n--- 1": "not readable as YAML",
    "%YAML 7.1\n--- 1": "found incompatible YAML document",
    "a: !!python/object/apply:os.abort []": "could not determine a constructor",
    "a: !!binary '***'": "line 1: could not determine a constructor",
    "train: {steps: [*x]}": "undefined alias",
    f"train: {{steps: [{'1, ' * MOST}]}}": "expected at most 20,000 values",
    f"train: {{steps: [{'1, ' * 5000}]}}": "train.steps: expected a whole number, got \\[1, 1, 1, 1, 1, 1, ...\\]",
    f"train: {{optimiser: [&a [{'x, ' * 1000}], *a, *a]}}": "train.optimiser: ",
    f"schema: {'x' * 100_000}": "schema: ",
    f"{'x' * 1000}: 1": "no section named 'xxx",
    f"data: {{name: {'x' * 100_000}}}": "no data set named 'xxx",
}


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:24]))
def test_a_hostile_text_is_one_short_line(text: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(HvaeError, match=HOSTILE[text]) as fault:
            RunConfig.from_yaml(text)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    line = str(fault.value)
    assert "\n" not in line and len(line) < 600


def test_what_people_write_is_read() -> None:
    text = "\ufefftrain: &t {lr: 1.0e-3, seed: 9007199254740993}\ncopy: {<<: *t, lr: 2}"
    found = document(text)
    assert found["train"] == {"lr": 1e-3, "seed": 9007199254740993}
    assert found["copy"] == {"lr": 2, "seed": 9007199254740993}
    assert document("when: 2001-12-14") == {"when": "2001-12-14"}


def test_a_large_file_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with open(path, "wb") as f:
        f.truncate(50 << 30)  # holes: it takes no room, and reading it would take an hour
    with pytest.raises(HvaeError, match=f"expected at most {LARGEST:,} bytes, got 53,687,091,200"):
        RunConfig.load(path)


@pytest.mark.skipif(os.name != "posix", reason="named pipes are made differently elsewhere")
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_only_regular_files_are_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(HvaeError, match="cannot read .*x.yaml"):
        RunConfig.load(path)


def test_other_encodings_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes("train: {steps: 1}".encode("utf-16"))
    with pytest.raises(HvaeError, match="expected UTF-8 text"):
        RunConfig.load(tmp_path / "x.yaml")


def test_a_path_that_cannot_be(tmp_path: Path) -> None:
    for path in ("a\0b", "x" * 5000, "", tmp_path / "none.yaml"):
        with pytest.raises(HvaeError, match="cannot read"):
            RunConfig.load(path)


def test_values_in_messages_are_bounded() -> None:
    many: object = "ha"
    for _ in range(40):
        many = [many] * 9
    assert len(short(many)) < 400
    assert len(short({"k" * 10**6: "v" * 10**6})) < 300
    assert short("\x1b[31m\u202e") == r"'\x1b[31m\u202e'"
