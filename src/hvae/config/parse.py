"""From plain values (YAML, JSON, the command line) to frozen dataclasses, and back.

One reader for every source, so that a file and an option fail with the same line.  A text stands for whatever its
type says: "8,4" is a tuple, "z1=4,z2=1" a dict, "1e-3" a float (YAML alone would keep it a string).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from hvae.config.bounds import Length, OutOfBounds
from hvae.config.document import document
from hvae.config.scalars import SCALARS
from hvae.config.words import bare, describe
from hvae.errors import HvaeError, short, unknown

T = TypeVar("T")


class Section:
    """A part of a configuration: each of its values is read by its type and bounds, from Python too."""

    at: ClassVar[str]
    """Its dotted place in a whole run, for the errors."""
    refusals: ClassVar[Mapping[str, str]] = {}
    """Keys of its neighbours that it does not take, and why."""
    unshared: ClassVar[Sequence[str]] = ()
    """Keys of its neighbours of which it takes one value alone, so that it takes over none of theirs."""
    beside: ClassVar[Sequence[str]] = ()
    """Keys at its place that are read before it: they say which section it is."""

    def __post_init__(self) -> None:
        for name, kind in declared(type(self)).items():
            object.__setattr__(self, name, typed(kind, getattr(self, name), f"{self.at}.{name}"))


def read(kind: type[T], content: Any, at: str = "") -> T:
    """The dataclass `kind` from a mapping of plain values; `at` is its dotted place, for the errors.

    >>> from hvae.config.model import LVAEConfig
    >>> read(LVAEConfig, {"latents": "8,4", "sigma": 1}).latents
    (8, 4)
    >>> read(LVAEConfig, {"latens": [8, 4]}, "model")
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: no key named 'model.latens'; did you mean 'model.latents'...
    """
    values = _mapping(content, at, kind.__name__)
    types, prefix = declared(kind), f"{at}." if at else ""
    for key in values:
        if key not in types:
            names = [*(kind.beside if issubclass(kind, Section) else ()), *types]
            raise _untaken(kind, key, prefix) or unknown("key", f"{prefix}{key}", [prefix + name for name in names])
    for f in fields(kind):  # type: ignore[arg-type]
        if f.name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise HvaeError(f"{prefix}{f.name} is missing; expected {describe(types[f.name])}")
    return _made(kind, {key: typed(types[key], value, prefix + key) for key, value in values.items()}, at)


def _untaken(kind: type, key: str, prefix: str) -> HvaeError | None:
    """What to say of a key that neighbours of a section take and it does not; None for a key that nobody takes."""
    why = kind.refusals.get(key) if issubclass(kind, Section) else None
    name = kind.__name__.removesuffix("Config").lower()
    return HvaeError(f"{prefix}{key}: not a key of {name}: {why}") if why else None


def _made(kind: type[T], values: dict[str, Any], at: str) -> T:
    try:
        return kind(**values)
    except HvaeError as fault:
        # A dataclass that checks its own values knows its field, but not where it stands in the whole.
        raise fault if not at or at in str(fault) else HvaeError(f"{at}: {fault}") from None


def hints(kind: type) -> dict[str, Any]:
    """The type of each field of a dataclass, in order."""
    types = get_type_hints(kind)
    return {f.name: types[f.name] for f in fields(kind)}


def _declared(kind: type) -> Mapping[str, Any]:
    types = get_type_hints(kind, include_extras=True)
    return {f.name: types[f.name] for f in fields(kind)}


declared: Callable[[type], Mapping[str, Any]] = cache(_declared)
"""The type of each field of a dataclass with its bounds, in order."""


def typed(kind: Any, value: Any, at: str) -> Any:
    """`value` as `kind`: a dataclass, a builtin, a Literal, a union, a tuple or a dict of these, within its bounds."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _bounded(kind, value, at)
    if origin in (Union, UnionType):
        return _union(kind, value, at)
    if origin is Literal:
        return _literal(kind, value, at)
    if kind is tuple or origin is tuple:
        return _tuple(kind, value, at)
    if kind is dict or origin in (dict, Mapping):
        return _dict(kind, value, at)
    if is_dataclass(kind):
        return value if type(value) is kind else read(kind, value, at)  # type: ignore[arg-type]
    return _scalar(kind, value, at)


def _bounded(kind: Any, value: Any, at: str) -> Any:
    inner, *bounds = get_args(kind)
    if isinstance(value, (list, tuple, Mapping)):
        # Before each entry is read: a million of them take a minute.
        for bound in (one for one in bounds if isinstance(one, Length)):
            bound.check(value, at)
    result = typed(inner, value, at)
    for bound in bounds:
        bound.check(result, at)
    return result


def _wrong(kind: Any, value: Any, at: str) -> HvaeError:
    return HvaeError(f"{at}: expected {describe(kind)}, got {short(value)}")


def _scalar(kind: Any, value: Any, at: str) -> Any:
    try:
        result = SCALARS[kind](value)
    except (ValueError, TypeError, ArithmeticError):
        raise _wrong(kind, value, at) from None
    if isinstance(result, float) and not math.isfinite(result):
        raise OutOfBounds(f"{at}: expected a finite number, got {result}")
    return result


def _union(kind: Any, value: Any, at: str) -> Any:
    refusal: HvaeError | None = None
    for option in _options(kind, value):
        try:
            return typed(option, value, at)
        except OutOfBounds as fault:
            refusal = refusal or fault
        except HvaeError as fault:
            if isinstance(value, Mapping) and (is_dataclass(option) or get_origin(option) is dict):
                raise fault
    raise refusal or _wrong(kind, value, at)


def _options(kind: Any, value: Any) -> list[Any]:
    """The types of a union that a value may have, the most likely first."""
    options = get_args(kind)
    by_type = {bare(option): option for option in options}
    if {int, float} <= set(by_type) and (isinstance(value, float) or (isinstance(value, str) and "." in value)):
        return [by_type[float]]  # 1.0 is the whole of it, never one
    # None first, since its words would also read as a str; then as written.
    return sorted(options, key=lambda option: option is not NoneType)


def _literal(kind: Any, value: Any, at: str) -> Any:
    choices = {str(choice): choice for choice in get_args(kind)}
    if not isinstance(value, (str, int, float)):
        raise _wrong(kind, value, at)
    if str(value) not in choices:
        raise HvaeError(f"{at}: {unknown('choice', value, choices)}")
    return choices[str(value)]


def _tuple(kind: Any, value: Any, at: str) -> tuple[Any, ...]:
    items = _items(value)
    kinds = get_args(kind)
    if items is None or (kinds and kinds[-1] is not ... and len(items) != len(kinds)):
        raise _wrong(kind, value, at)
    each = kinds[:1] * len(items) if kinds[-1:] == (...,) else kinds
    return tuple(typed(k, item, f"{at}[{i}]") for i, (k, item) in enumerate(zip(each, items, strict=True)))


def _items(value: Any) -> list[Any] | None:
    if isinstance(value, str):
        loaded = _loaded(value) if value[:1] in ("[", "(") else _parts(value)
        return loaded if isinstance(loaded, list) else None
    if isinstance(value, (list, tuple)):
        return list(value)
    # One number stands for a tuple of one: `--model.latents 8`.
    return None if isinstance(value, (Mapping, NoneType)) else [value]


def _parts(text: str) -> list[str] | None:
    """A,B,...: none of an empty text alone, since commas between nothing are a slip."""
    parts = [part for part in text.split(",") if part]
    return parts if parts or not text else None


def _dict(kind: Any, value: Any, at: str) -> dict[str, Any]:
    values = _mapping(value, at, describe(kind))
    inner = (get_args(kind) or (str, str))[1]
    return {str(key): typed(inner, item, f"{at}.{key}") for key, item in values.items()}


def _mapping(value: Any, at: str, what: str) -> Mapping[str, Any]:
    if isinstance(value, str):
        value = _loaded(value) if value.startswith("{") else _pairs(value, at) if "=" in value else value
    if not isinstance(value, Mapping):
        raise HvaeError(f"{at or 'the configuration'}: expected {what} as keys and values, got {short(value)}")
    return value


def _pairs(text: str, at: str) -> dict[str, str]:
    """NAME=VALUE,NAME=VALUE: each name once."""
    values: dict[str, str] = {}
    for pair in filter(None, text.split(",")):
        name, equals, value = pair.partition("=")
        if not equals or name in values:
            why = "stands twice" if equals else "has no value"
            raise OutOfBounds(f"{at}: {short(name)} {why}; expected NAME=VALUE,NAME=VALUE with each name once")
        values[name] = value
    return values


def _loaded(text: str) -> Any:
    try:
        return document(text.replace("(", "[").replace(")", "]") if text.startswith("(") else text)
    except HvaeError:
        return None


def plain(value: Any) -> Any:
    """A configuration as dicts, lists, numbers and texts, complete: what `read` takes back."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return {str(key): plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value
