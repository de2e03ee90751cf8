"""The random numbers of a walk as its inputs: which were drawn, drawn again, and handed in.

Torch draws numbers where the walk asks for them, from one generator.  A graph has none: it is given the numbers that
torch would have drawn, so that a seed means the same pictures and bounds wherever they are computed.

Shapes: `n` rows; `...` what is drawn for one row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from hvae.errors import HvaeError

FILLED = {"randn_like": "normal", "rand_like": "uniform", "exponential_": "exponential", "bernoulli": "coins"}
"""The functions of torch that laws draw by, and the kind of number each fills a tensor with."""


@dataclass(frozen=True)
class Call:
    """One tensor of random numbers, (n, ...): its kind, the `shape` (...), and its axes in the order of memory."""

    kind: str
    shape: tuple[int, ...]
    order: tuple[int, ...]
    dtype: torch.dtype

    @classmethod
    def of(cls, kind: str, numbers: Tensor) -> Call:
        """What filled a tensor."""
        strides = numbers.stride()
        order = sorted(range(numbers.ndim), key=strides.__getitem__, reverse=True)
        return cls(kind, tuple(numbers.shape[1:]), tuple(order), numbers.dtype)

    def drawn(self, n: int) -> Tensor:
        """As many numbers for n rows, in the same order of memory, from torch's generator."""
        sizes = (n, *self.shape)
        empty = torch.empty([sizes[axis] for axis in self.order], dtype=self.dtype)
        numbers = empty.permute([self.order.index(axis) for axis in range(len(sizes))])
        if self.kind == "normal":
            return numbers.normal_()
        if self.kind == "uniform":
            return numbers.uniform_()
        if self.kind == "exponential":
            return numbers.exponential_()
        # A coin takes one number of the generator, whatever its chance.
        return torch.bernoulli(numbers.zero_())


@contextmanager
def recording() -> Iterator[list[Call]]:
    """What is drawn within the block, call by call."""
    calls: list[Call] = []
    with _Recording(calls):
        yield calls


class _Recording(TorchFunctionMode):
    def __init__(self, calls: list[Call]) -> None:
        super().__init__()
        self.calls = calls

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if kind := FILLED.get(getattr(function, "__name__", "")):
            self.calls.append(Call.of(kind, result))
        return result


class Handing(TorchFunctionMode):
    """Within the block random numbers are taken from `numbers`, one tensor a call, and none is drawn.

    Raises HvaeError for coins, which are no numbers but outcomes, and for a call more than there are numbers.

    >>> with Handing([torch.tensor([2.0])]):
    ...     torch.randn_like(torch.zeros(1))
    tensor([2.])
    """

    def __init__(self, numbers: Iterable[Tensor]) -> None:
        super().__init__()
        self.numbers = iter(numbers)

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kind = FILLED.get(getattr(function, "__name__", ""))
        if kind is None:
            return function(*args, **(kwargs or {}))
        numbers = next(self.numbers, None)
        if kind == "coins" or numbers is None:
            raise HvaeError(f"a walk that draws {kind} is no function of numbers that are handed in")
        return numbers
