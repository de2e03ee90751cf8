"""Data as a model scores them: numbers in the range that its likelihood is of, in the type of its weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

from hvae.errors import HvaeError

Limits = tuple[float, float]
UNIT: Limits = (0.0, 1.0)
ANY: Limits = (-math.inf, math.inf)
"""For data that have no range: any number, but a number."""
SLACK = 1e-5
"""What rounding may add beyond a limit, in units of the larger one: far below half a level of 12 bits."""


def check_values(x: Tensor, limits: Limits | None = UNIT, dtype: torch.dtype | None = None) -> Tensor:
    """x, (B, ...), in `dtype` (none: its own), once all its values are known to be numbers within the limits.

    Outside of them a likelihood is no probability: a Bernoulli gives 3.0 a log-probability above 0.  Other floating
    types are converted, booleans too (0 and 1); integers are refused, for nothing says which of them is white.  It
    takes one pass over the data and, on a GPU, one wait for it.  Only the type is looked at where `limits` is None, and
    where values do not exist (the meta device, fake tensors, a graph that is compiled or exported).  Raises HvaeError
    with the range and what came.

    >>> check_values(torch.tensor([0.0, 0.5], dtype=torch.float64), dtype=torch.float32)
    tensor([0.0000, 0.5000])
    >>> check_values(torch.tensor([0.0, 255.0]))
    Traceback (most recent call last):
    hvae.errors.HvaeError: expected values in [0, 1], got 0 to 255; divide them by 255
    """
    if not isinstance(x, Tensor):
        raise HvaeError(f"expected data as a torch.Tensor, got {type(x).__name__}; convert them by torch.as_tensor")
    check_dense(x)
    if x.dtype != torch.bool and not x.is_floating_point():
        raise HvaeError(_integers(x, limits or ANY))
    if limits is not None and x.dtype != torch.bool and has_values(x):
        _check_limits(x, limits)
    return x if dtype is None and x.is_floating_point() else x.to(dtype or torch.get_default_dtype())


def has_values(x: Tensor) -> bool:
    """Whether there are numbers to look at: none of an empty tensor, or of one without storage."""
    return x.numel() > 0 and not (x.is_meta or isinstance(x, FakeTensor) or torch.compiler.is_compiling())


def check_dense(x: Tensor, what: str = "data") -> None:
    """Raises HvaeError for a tensor whose values do not lie side by side: a sparse or a nested one.

    >>> check_dense(torch.eye(2).to_sparse())
    Traceback (most recent call last):
    hvae.errors.HvaeError: expected a dense tensor as data, got a sparse one; convert it by x.to_dense()
    """
    for is_other, kind, remedy in (
        (x.is_nested, "nested", "pad it by torch.nested.to_padded_tensor"),
        (x.layout != torch.strided, "sparse", "convert it by x.to_dense()"),
    ):
        if is_other:
            raise HvaeError(f"expected a dense tensor as {what}, got a {kind} one; {remedy}")


def check_stored(x: Tensor, what: str = "data") -> Tensor:
    """x itself.  Raises HvaeError for a tensor that is not dense, and for one without values (the meta device)."""
    check_dense(x, what)
    if x.is_meta:
        raise HvaeError(f"expected a tensor with values as {what}, got one on the meta device; make it on the CPU")
    return x


def _check_limits(x: Tensor, limits: Limits) -> None:
    low, high = torch.stack(x.detach().aminmax()).tolist()
    slack = 0.0 if limits == ANY else SLACK * max(map(abs, limits))
    # Not a number is neither above nor below.
    if not (limits[0] - slack <= low and high <= limits[1] + slack and math.isfinite(high - low)):
        raise HvaeError(f"expected {_expected(limits)}, got {_came(low, high)}; {_advice(low, high, limits)}")


def _integers(x: Tensor, limits: Limits) -> str:
    kind = str(x.dtype).removeprefix("torch.")
    if x.is_complex() or not has_values(x):
        return f"expected {_expected(limits)} of a floating type, got {kind}; convert them"
    low, high = torch.stack(x.aminmax()).tolist()
    advice = _advice(low, high, limits) if high > 1 else "convert them by x.float()"
    return f"expected {_expected(limits)} of a floating type, got {kind} {_came(low, high)}; {advice}"


def _expected(limits: Limits) -> str:
    return "numbers" if limits == ANY else f"values in [{limits[0]:g}, {limits[1]:g}]"


def _came(low: float, high: float) -> str:
    if math.isnan(low):
        return "values that are not numbers (NaN)"
    return f"{low:.6g} to {high:.6g}" if low < high else f"{low:.6g}"


def _advice(low: float, high: float, limits: Limits) -> str:
    """What the values look like, and how they come into the range."""
    if limits != UNIT or not math.isfinite(high - low):
        return "look at where they come from"
    if low >= 0 and 1.5 < high <= 255:
        return "divide them by 255" if high > 15 else "scale them by the largest value that the data can have"
    if low >= 0 and 255 < high <= 65535:
        return "divide them by 65535"
    return "give (x + 1) / 2" if -1 <= low < 0 and high <= 1 else "scale or clamp them"


def span(value: Tensor) -> str:
    """From the least to the greatest of some whole numbers, or the only one.

    >>> span(torch.tensor([5, 5])), span(torch.tensor([3, -1, 5]))
    ('5', '-1 to 5')
    """
    low, high = int(value.min()), int(value.max())
    return f"{low} to {high}" if low < high else str(low)
