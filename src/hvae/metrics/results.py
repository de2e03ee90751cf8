"""Estimates with standard errors, and results to and from JSON.

Shapes: `N` data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from torch import Tensor

from hvae.errors import HvaeError
from hvae.records import JSON, Each, Form, check
from hvae.screen import numbers

R = TypeVar("R")

Z95 = 1.959964
"""Half width of a central 95 % interval of the standard normal."""


@dataclass(frozen=True)
class Estimate:
    """A mean over data, its standard error, and the 95 % confidence interval of the mean.

    The error is over the data: another test set of the same size.  For a single datum it is NaN.
    """

    mean: float
    standard_error: float = math.nan
    low95: float = math.nan
    high95: float = math.nan

    def __str__(self) -> str:
        return numbers.estimate(self.mean, Z95 * self.standard_error)


def estimate(values: Tensor, unit: float = 1.0) -> Estimate:
    """The mean of a score over data, (N,), divided by `unit`, with its standard error.

    >>> import torch
    >>> e = estimate(torch.tensor([1.0, 3.0]))
    >>> e.mean, round(e.standard_error, 3), round(e.low95, 3), round(e.high95, 3)
    (2.0, 1.0, 0.04, 3.96)
    """
    values = values.double()
    mean = float(values.mean()) / unit
    error = float(values.std()) / unit / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return Estimate(mean, error, mean - Z95 * error, mean + Z95 * error)


def ratio(values: Tensor, counts: Tensor, unit: float = 1.0) -> Estimate:
    r"""The mean of values over all that they are spread on: one value (N,) and one count (N,) for each datum.

    $$R = \sum_n v_n / \sum_n c_n, \qquad se(R) \approx \frac{sd_n(v_n - R c_n)}{\bar c \sqrt N}$$

    The error is that of a ratio estimator (Cochran 1977, Sampling Techniques, sec. 6.4), divided by `unit` as it is.

    >>> import torch
    >>> ratio(torch.tensor([2.0, 8.0]), torch.tensor([1, 4])).mean
    2.0
    """
    values, counts = values.double(), counts.double()
    mean = float(values.sum() / counts.sum())
    rest = estimate((values - mean * counts) / counts.mean(), unit).standard_error
    return Estimate(mean / unit, rest, mean / unit - Z95 * rest, mean / unit + Z95 * rest)


def plain(result: Any) -> Any:
    """A result as JSON-compatible dicts, lists and numbers; NaN and infinity become None.

    >>> plain({"a": [1, float("nan")]})
    {'a': [1, None]}
    """
    if is_dataclass(result):
        return {f.name: plain(getattr(result, f.name)) for f in fields(result)}
    if isinstance(result, Mapping):
        return {str(key): plain(value) for key, value in result.items()}
    if isinstance(result, (list, tuple)):
        return [plain(value) for value in result]
    return None if isinstance(result, float) and not math.isfinite(result) else result


class Plain:
    """A result that JSON can hold."""

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        return plain(self)


def read_result(kind: type[R], values: object, at: str = "") -> R:
    """The inverse of `plain`: a result of dataclass `kind`; fields with a default may be missing.

    A null number becomes NaN; unknown keys are ignored.  Raises HvaeError, naming the place, for values of other types.

    >>> read_result(Estimate, plain(Estimate(1.0, float("nan"), 0.5, 1.5)))
    Estimate(mean=1.0, standard_error=nan, low95=0.5, high95=1.5)
    >>> read_result(Estimate, {"mean": "one"}, "loss")
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: loss.mean: expected a number, got a text of 3
    """
    whole: Any = kind
    check(values, _form(whole), at)
    result: R = _read(kind, values, at)
    return result


@cache
def _form(kind: Any) -> Form:
    """The form of what `plain` makes of a type."""
    if is_dataclass(kind):
        types = get_type_hints(kind)
        return {f"{f.name}{'?' * _has_default(f)}": _form(types[f.name]) for f in fields(kind)}
    if kind is float:
        return (None, float)
    outer, inner = get_origin(kind), get_args(kind)
    if outer in (Union, UnionType):
        return tuple(None if one is type(None) else _form(one) for one in sorted(inner, key=_is_something))
    if outer is Literal:
        return str
    if outer is tuple:
        return [_form(inner[0])]
    return Each(_form(inner[1])) if outer in _MAPPINGS else kind


_MAPPINGS = (dict, Mapping)


def _has_default(one: Field[Any]) -> bool:
    return one.default is not MISSING or one.default_factory is not MISSING


def _is_something(kind: Any) -> bool:
    return kind is not type(None)


def _read(kind: Any, value: Any, at: str) -> Any:
    """A value of this form as the type says."""
    if is_dataclass(kind):
        types = get_type_hints(kind)
        inside = {f.name: value[f.name] for f in fields(kind) if f.name in value}
        return kind(**{name: _read(types[name], one, f"{at}.{name}") for name, one in inside.items()})  # type: ignore[operator]
    if kind is float:
        return math.nan if value is None else float(value)
    outer, inner = get_origin(kind), get_args(kind)
    if outer in (Union, UnionType):
        return None if value is None else _read(next(filter(_is_something, inner)), value, at)
    if outer is Literal and value not in inner:
        raise HvaeError(f"{at}: expected one of {', '.join(map(str, inner))}, got a text of {len(value)}")
    if outer is tuple:
        return tuple(_read(inner[0], one, at) for one in value)
    return {key: _read(inner[1], one, at) for key, one in value.items()} if outer in _MAPPINGS else value
