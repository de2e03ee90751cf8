"""The lines that do the same elsewhere: a command for a shell, and a few of Python."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pprint import pformat

from hvae.records import JSON


def command(*words: str) -> str:
    """A command line.

    >>> command("hvae", "sample", "my runs/digits")
    "hvae sample 'my runs/digits'"
    """
    return shlex.join(words)


def context_words(context: Mapping[str, str]) -> list[str]:
    """The conditions as options."""
    return [word for name, value in context.items() for word in ("--context", f"{name}={value}")]


def heat_words(temperature: Mapping[str, float]) -> list[str]:
    """The temperatures as options, those that are 1 left out."""
    return [word for name, t in temperature.items() if t != 1 for word in (f"--temperature.{name}", f"{t:g}")]


def python(folder: object, *lines: str) -> str:
    """Lines of Python after those that load the run."""
    return "\n".join(["import hvae", "", f"run = hvae.load({str(folder)!r})", *lines])


def spelled(value: object) -> str:
    """A value as Python writes it, on as few lines as fit."""
    return pformat(value, width=100, compact=True, sort_dicts=False)


def call(name: str, first: Sequence[str], **options: object) -> str:
    """A call with those of the named arguments that say something.

    >>> call("cells", ["run.model"], temperature={"z1": 0.5}, context={})
    "cells(run.model, temperature={'z1': 0.5})"
    """
    words = [f"{key}={spelled(value)}" for key, value in options.items() if value not in ({}, None)]
    return f"{name}({', '.join([*first, *words])})"


def equivalents(command_line: str, lines: str, remark: str = "") -> JSON:
    """As a view answers them; `remark`, in what the command differs from what is seen."""
    return {"command": command_line, "python": lines, "remark": remark}
