"""What every look inside a model shares: a still model, its levels, and the two directions of a walk.

A look encodes first and decodes afterwards, in two runs.  That is what makes the same code serve top-down models and
bottom-up ones, whose inference has drawn every level before the first prior is known.

Shapes: `N` images; `...` a variable's own shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from hvae.draw import Draw, given, posterior, prior
from hvae.errors import HvaeError, unknown
from hvae.seeds import noise_seed
from hvae.walk import Model, Trace, names, run

CHUNK = 64
"""Rows walked at once: what bounds the memory of a look."""

Reading = Callable[[Trace], Tensor]
Holding = Callable[[Mapping[str, Tensor], Draw], Draw]


@contextmanager
def still(model: Model, seed: int | None = None) -> Iterator[None]:
    """Evaluation mode, no gradients and, with a seed, random numbers of its own; all is put back at the end.

    >>> layer = torch.nn.Linear(1, 1)
    >>> with still(layer, seed=0):
    ...     layer.training, torch.is_grad_enabled()
    (False, False)
    >>> layer.training
    True
    """
    modes = [(module, module.training) for module in model.modules()]
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.no_grad(), torch.random.fork_rng(devices=devices, enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(noise_seed(seed))
        model.eval()
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training


def levels(model: Model) -> list[str]:
    """The latent levels of a model, top first.  Leaves the random numbers of the caller as they were."""
    with still(model, seed=0):
        return names(model)


def top(model: Model, count: int) -> list[str]:
    """The names of the top `count` levels, top first.  Raises HvaeError unless 0 <= count <= number of levels."""
    found = levels(model)
    if not 0 <= count <= len(found):
        raise HvaeError(
            f"expected between 0 and {len(found)} top levels, got {count}; the levels are {', '.join(found)}"
        )
    return found[:count]


def check_levels(wanted: Sequence[str], known: Sequence[str]) -> None:
    """Raises HvaeError for the first wanted level that is not known."""
    for name in wanted:
        if name not in known:
            raise unknown("level", name, known)


def at_least(least: int, count: int, what: str) -> None:
    """Raises HvaeError when there are fewer than `least` of `what`."""
    if count < least:
        raise HvaeError(f"expected at least {least} {what}, got {count}; ask for {least} or more")


def mean_picture(trace: Trace) -> Tensor:
    """The mean of p(x given z), (B, ...) in [0, 1]: the picture without the noise of the likelihood."""
    (data,) = trace.observed
    return data.law.mean().clamp(0, 1)


def drawn_picture(trace: Trace) -> Tensor:
    """The data the walk ended with, (B, ...) in [0, 1]: every pixel drawn."""
    assert trace.x is not None
    return trace.x.clamp(0, 1)


def traces(model: Model, x: Tensor, draw: Draw = posterior, chunk: int = CHUNK) -> Iterator[Trace]:
    """Walks on the data, (N, ...), `chunk` rows at a time, with the device and type of the weights."""
    at_least(1, len(x), "images")
    first = next(model.parameters(), x)
    for rows in x.to(first).split(chunk):
        yield run(model, draw, model.evidence(rows))


def encode(model: Model, x: Tensor, draw: Draw = posterior, chunk: int = CHUNK) -> dict[str, Tensor]:
    """The value of every latent, {name: (N, ...)}, as `draw` chooses it on the data."""
    parts = [{record.name: record.value for record in trace.latents} for trace in traces(model, x, draw, chunk)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def decode(
    model: Model,
    values: Mapping[str, Tensor],
    n: int,
    *,
    otherwise: Draw = prior(),
    hold: Holding = given,
    read: Reading = mean_picture,
    chunk: int = CHUNK,
) -> Tensor:
    """Pictures (n, ...) of what `hold` makes of the values, each (n, ...); `otherwise` draws the other levels."""
    parts = []
    for start in range(0, n, chunk):
        here = {name: value[start : start + chunk] for name, value in values.items()}
        parts.append(read(run(model, hold(here, otherwise), n=min(chunk, n - start))))
    return torch.cat(parts)
