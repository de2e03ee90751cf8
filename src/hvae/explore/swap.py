"""The swap: data drawn under a condition, and once more from the same latents under another one.

Shapes: `n` samples; `...` one datum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from hvae.condition import Context
from hvae.draw import Draw, given, prior
from hvae.explore.frame import CHUNK, drawn_picture
from hvae.site import pin
from hvae.walk import Evidence, Model, Trace, run, still

Progress = Callable[[int, int], None]


class Swapped(NamedTuple):
    """Data drawn under their own condition, and those of the same latents under the other one, both (n, ...)."""

    own: Tensor
    other: Tensor


def _drawn(model: Model, trace: Trace) -> Tensor:
    """The data of a walk; of sequences, which may be any numbers or tokens, as they are."""
    assert trace.x is not None
    return trace.x if model.timed else drawn_picture(model, trace)


def _silent(done: int, total: int) -> None:
    pass


def swap(
    model: Model,
    n: int,
    context: Context,
    other: Context,
    *,
    draw: Draw = prior(),
    seed: int | None = None,
    chunk: int = CHUNK,
    progress: Progress = _silent,
) -> Swapped:
    r"""Samples of a conditional model, and what becomes of their latents under another condition.

    $$z \sim p(z \mid y), \quad x \sim p(x \mid z, y), \quad x' \sim p(x \mid z, y')$$

    Where x' shows y', the condition acts through the decoder; where it still shows y, through the latents.  Arguments:
    `context` and `other`, y and y', (n, ...) by name or one value for all; `draw`, that of what is not held (a `solver`
    of a diffusion); `seed` of all draws; `chunk`, rows walked at once.  Sequences have the steps of the model's shape.
    Raises HvaeError for a context that does not fit.
    """
    own, strange = model.nothing(n, context).context, model.nothing(n, other).context
    pairs: list[tuple[Tensor, Tensor]] = []
    with still(model, seed):
        for start in range(0, n, chunk):
            progress(start, n)
            rows, some = min(chunk, n - start), slice(start, start + chunk)
            first = run(model, draw, Evidence(rows, context={name: y[some] for name, y in own.items()}))
            latents = {pin(record.key): record.value for record in first.latents}
            again = Evidence(rows, context={name: y[some] for name, y in strange.items()})
            second = run(model, given(latents, draw), again)
            pairs.append((_drawn(model, first), _drawn(model, second)))
    return Swapped(*(torch.cat(parts) for parts in zip(*pairs, strict=True)))
