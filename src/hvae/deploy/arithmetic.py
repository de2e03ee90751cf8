r"""Formulas that keep their digits in runtimes that only know the elementary functions.

    log sigma(x) = min(x, 0) - log(1 + e^{-|x|})             and not log(1 / (1 + e^{-x})): -infinity below x = -88
    e^x - 1 = 2 t / (1 - t),  t = tanh(x / 2), |x| < 1       and not the difference: 0 where |x| is below 6e-8

Coins of logits x have the nats (1 - y) x - log sigma(x), which exporters write by the first's wrong form too.
A likelihood multiplies the first by 0 at the edges of its range, and takes the logarithm of the second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hvae.errors import HvaeError

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def elementary(exported: ExportedProgram) -> ExportedProgram:
    """The program with these functions written out.

    >>> class Edge(torch.nn.Module):
    ...     def forward(self, x):
    ...         return torch.nn.functional.logsigmoid(x), torch.expm1(x)
    >>> x = torch.tensor([-300.0, -1e-6])
    >>> elementary(torch.export.export(Edge(), (x,))).module()(x)
    (tensor([-300.0000,   -0.6931]), tensor([-1.0000e+00, -1.0000e-06]))
    """
    aten = torch.ops.aten
    entropy = aten.binary_cross_entropy_with_logits.default
    table = {aten.log_sigmoid.default: log_sigmoid, aten.expm1.default: expm1, entropy: cross_entropy}
    return exported.run_decompositions(table)


def log_sigmoid(x: Tensor) -> Tensor:
    return x.clamp_max(0) - torch.log1p(torch.exp(-x.abs()))


def cross_entropy(
    x: Tensor, y: Tensor, weight: Tensor | None = None, positive: Tensor | None = None, reduction: int = 0
) -> Tensor:
    """That of coins y of logits x, element by element.  Raises HvaeError for weights and sums, which no law has."""
    if weight is not None or positive is not None or reduction:
        raise HvaeError("a cross entropy with weights or sums is not exported; sum it afterwards")
    return (1 - y) * x - log_sigmoid(x)


def expm1(x: Tensor) -> Tensor:
    t = torch.tanh(x / 2)
    return torch.where(x.abs() < 1, 2 * t / (1 - t), torch.exp(x) - 1)
