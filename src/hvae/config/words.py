"""Types of configuration in a reader's words: "a whole number", "numbers as A,B,..."."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

WORDS: Mapping[Any, tuple[str, str]] = {
    NoneType: ("none", "none"),
    bool: ("true or false", "true or false"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("a text", "texts"),
}
"""One value of a type, and several of them."""


def describe(kind: Any) -> str:
    """A type in a reader's words.

    >>> describe(tuple[int, int]), describe(float | None), describe(dict[str, float])
    ('2 whole numbers as A,B', 'a number or none', 'numbers as NAME=VALUE,NAME=VALUE')
    """
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return describe(args[0])
    if origin in (Union, UnionType):
        return " or ".join(describe(arg) for arg in sorted(args, key=lambda k: k is NoneType))
    if origin is Literal:
        return "|".join(str(arg) for arg in args)
    if origin is tuple:
        return f"{_several(args[0])} as A,B,..." if args[-1] is ... else _so_many(args)
    if origin in (dict, Mapping):
        return f"{_several(args[1])} as NAME=VALUE,NAME=VALUE"
    return WORDS[kind][0] if kind in WORDS else kind.__name__


def _several(kind: Any) -> str:
    kind = bare(kind)
    return WORDS[kind][1] if kind in WORDS else describe(kind)


def _so_many(kinds: tuple[Any, ...]) -> str:
    """A tuple of a certain length, whose entries are of one type."""
    return f"{len(kinds)} {_several(kinds[0])} as {','.join('ABCDEFGH'[: len(kinds)])}"


def bare(kind: Any) -> Any:
    """A type without its bounds."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind
