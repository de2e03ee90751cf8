"""Configuration files of strangers as plain values: nothing is executed; size, depth and number of values are bounded.

YAML 1.1 without its surprises: keys are names, each at most once in a mapping, and a date stays the text that it is.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, ClassVar

import yaml

from hvae.errors import HvaeError, short

LARGEST = 1 << 20
"""Bytes of a configuration file; a complete one has about 4,000."""
DEEPEST = 20
MOST = 20_000
"""Values of a file, each alias counted as all that it stands for."""
_TAG = "tag:yaml.org,2002:"
_TEXT, _MERGE = f"{_TAG}str", f"{_TAG}merge"
# None stands for every other tag, which it refuses.
_PLAIN = (None, *(f"{_TAG}{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")))


def text_of(path: str | Path) -> str:
    """The text of a regular file of at most `LARGEST` bytes; its size is looked at before it is read.

    Raises HvaeError for any other file, and for one that cannot be read.
    """
    try:
        # What is no regular file (a pipe, a device) may keep the reader waiting for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as f:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise HvaeError(f"cannot read {path}: expected a regular file")
            if status.st_size > LARGEST:
                raise HvaeError(f"cannot read {path}: expected at most {LARGEST:,} bytes, got {status.st_size:,}")
            # A file may grow while it is read.
            return f.read(LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise HvaeError(f"cannot read {path}: expected UTF-8 text; byte {fault.start + 1} is none") from None
    except (OSError, ValueError) as fault:
        if isinstance(fault, HvaeError):
            raise
        raise HvaeError(f"cannot read {short(str(path))}: {getattr(fault, 'strerror', None) or fault}") from None


def document(text: str) -> Any:
    """The mappings, lists, texts and numbers of a YAML text.  Raises HvaeError, in one line, for all else.

    >>> document("train: {steps: 10}")
    {'train': {'steps': 10}}
    >>> document("steps: 1\\nsteps: 2")
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: not readable as YAML, line 2: key 'steps' stands in line 1 already
    """
    try:
        _check_extent(text)
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        parts = [getattr(fault, "context", None), getattr(fault, "problem", None)]
        raise HvaeError(f"not readable as YAML{where}: {_line(' '.join(filter(None, parts)) or fault)}") from None
    except _FAULTS as fault:
        raise HvaeError(f"not readable as YAML: {_line(fault)}") from None


_FAULTS = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)
"""What PyYAML lets through where a value is not of the type that its form or its tag promises."""


def _line(problem: object) -> str:
    text = " ".join(str(problem).split())
    return text if len(text) <= 200 else f"{text[:200]}..."


def _check_extent(text: str) -> None:
    """Raises for what is too deep or too much, from the events alone: no value exists yet, and nothing recurses."""
    if len(text) > LARGEST:
        raise HvaeError(f"expected a configuration of at most {LARGEST:,} characters, got {len(text):,}")
    sizes: dict[str, int] = {}
    begun: list[tuple[str | None, int]] = []
    total = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in (anchor for anchor, _ in begun):
                raise _fault(event, f"*{event.anchor[:40]} contains itself")
            total += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            begun.append((event.anchor, total))
            total += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = begun.pop()
            sizes[anchor or ""] = total - before
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            sizes[event.anchor or ""] = 1
        if len(begun) > DEEPEST:
            raise _fault(event, f"expected values at most {DEEPEST} deep")
        if total > MOST:
            raise _fault(event, f"expected at most {MOST:,} values, each alias counted as all that it stands for")


def _fault(where: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)


def _as_written(node: yaml.Node) -> str:
    """A value as its file has it, where that is one word."""
    return short(node.value) if isinstance(node, yaml.ScalarNode) else f"a {node.id}"


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, where a key is a name that stands once, and a wrong value names its line."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in pairs if not tag.endswith(":timestamp")]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    yaml_constructors: ClassVar = {
        tag: construct for tag, construct in yaml.SafeLoader.yaml_constructors.items() if tag in _PLAIN
    }

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag not in (_TEXT, _MERGE):
                raise _fault(key, "expected a name as key" + (f", got {_as_written(key)}" if key.value else ""))
            if key.value in lines:
                raise _fault(key, f"key {short(key.value)} stands in line {lines[key.value]} already")
            lines[key.value] = key.start_mark.line + 1
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except _FAULTS:
            kind = node.tag.rpartition(":")[2]
            raise _fault(node, f"expected a value of type {short(kind)[1:-1]}, got {_as_written(node)}") from None
