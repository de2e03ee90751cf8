"""The dotted keys of a configuration in the help of a command, with their types, bounds and values."""

from __future__ import annotations

import argparse
import ast
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from hvae.cli.parser import Parser
from hvae.config.bounds import Choices
from hvae.config.parse import declared, hints, plain


def add_keys(parser: Parser, sections: Mapping[str, object]) -> None:
    """Show the dotted keys of some configurations in the help, with their types and values."""
    for section, config in sections.items():
        about = " ".join((inspect.getdoc(type(config)) or "").split("\n\n")[0].split())
        _add(parser.add_argument_group(section, parser.filled(about)), section, config)


def _add(group: Any, at: str, config: Any) -> None:
    types, words, bounds = hints(type(config)), docs(type(config)), declared(type(config))
    for name, kind in types.items():
        value = getattr(config, name)
        if is_dataclass(value):
            _add(group, f"{at}.{name}", value)
            continue
        about = f"{words.get(name, '')}{_unsaid(kind, words.get(name, ''))}{_listing(bounds[name])} {_shown(value)}"
        group.add_argument(
            f"--{at}.{name}", metavar=_metavar(kind), default=argparse.SUPPRESS, help=about.replace("%", "%%")
        )


_PLACEHOLDERS = {int: "N", float: "X", str: "TEXT", bool: "true|false", NoneType: "none"}


def _metavar(kind: Any) -> str:
    """What stands for a value: N a whole number, X a number, the choices themselves where they are few."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        choices = "|".join(map(str, args))
        return choices if len(choices) <= 18 else "NAME"
    if origin is tuple:
        return ",".join("..." if arg is ... else _metavar(arg) for arg in ((args[0], *args) if ... in args else args))
    if origin is dict:
        return f"LEVEL={_metavar(args[1])},..."
    # A whole number is a number: N|X says no more than X.
    options = [_metavar(arg) for arg in args if not (arg is int and float in args)]
    return "|".join(options) or _PLACEHOLDERS[kind]


def _unsaid(kind: Any, words: str) -> str:
    """The choices, where neither the placeholder nor the sentence tells them."""
    choices = [str(c) for c in get_args(kind)] if get_origin(kind) is Literal else []
    is_said = _metavar(kind) != "NAME" or all(choice in words for choice in choices)
    return "" if is_said else f" One of {', '.join(choices)}."


def _listing(kind: Any) -> str:
    """The names that a value may consist of, where a list has them."""
    return "".join(f" Expected: {bound.listing}." for bound in get_args(kind) if isinstance(bound, Choices))


def _shown(value: Any) -> str:
    return f"[{_value(plain(value))}]" if value not in ("", ()) else ""


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ",".join(f"{key}={_value(item)}" for key, item in value.items())
    return ",".join(map(_value, value)) if isinstance(value, list) else str(value)


def docs(kind: type) -> dict[str, str]:
    """The sentence below each field of a dataclass, its bases included.

    >>> from hvae.config.model import LadderConfig
    >>> docs(LadderConfig)["width"]
    'Channels of the features.'
    """
    sentences: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base is not object and is_dataclass(base):
            sentences |= _own_docs(base)
    return {f.name: sentences[f.name] for f in fields(kind) if f.name in sentences}


def _own_docs(kind: type) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(tree, ast.ClassDef)
    sentences = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        target, text = getattr(field, "target", None), getattr(getattr(below, "value", None), "value", None)
        if isinstance(field, ast.AnnAssign) and isinstance(target, ast.Name) and isinstance(text, str):
            sentences[target.id] = " ".join(text.split())
    return sentences
