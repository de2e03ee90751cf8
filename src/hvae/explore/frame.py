"""What exploration shares: names of levels, encoding and decoding in chunks.

Encoding and decoding are two runs, so that the same code serves top-down models and bottom-up ones, whose inference
draws every level before the first prior is known.

Shapes: `N` images; `...` a variable's own shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from hvae.condition import Context
from hvae.counts import whole
from hvae.datum import Datum, as_datum, relevant
from hvae.draw import Draw, given, posterior, prior
from hvae.errors import HvaeError, unknown
from hvae.site import Pin, as_key, pin
from hvae.walk import Evidence, Model, Trace, names, run

CHUNK = 64
"""Rows per run: it bounds the memory."""

Reading = Callable[[Model, Trace], Tensor]
Holding = Callable[[Mapping[Pin, Tensor], Draw], Draw]


def levels(model: Model) -> list[str]:
    """The latent levels of a model, top first.  The caller's random state is unchanged."""
    return names(model)


def top(model: Model, count: int) -> list[str]:
    """The names of the top `count` levels, top first.  Raises HvaeError unless 0 <= count <= number of levels."""
    names, count = levels(model), whole("count", count, None)
    if not 0 <= count <= len(names):
        raise HvaeError(
            f"expected between 0 and {len(names)} top levels, got {count}; the levels are {', '.join(names)}"
        )
    return names[:count]


def check_levels(choice: Sequence[str], names: Sequence[str]) -> None:
    """Raises HvaeError for the first of `wanted` that is not among the `names`."""
    for name in choice:
        if name not in names:
            raise unknown("level", name, names)


def at_least(least: int, count: int, what: str) -> None:
    """Raises HvaeError when there are fewer than `least` of `what`."""
    if count < least:
        raise HvaeError(f"expected at least {least} {what}, got {count}; ask for {least} or more")


def mean_picture(model: Model, trace: Trace) -> Tensor:
    """The mean of p(x given z), (B, ...) in [0, 1]: the picture without the noise of the likelihood."""
    return model.picture(trace).clamp(0, 1)


def drawn_sequences(model: Model, trace: Trace) -> Tensor:
    """A sample of p(x given z), (B, T, ...), in the values of the data."""
    assert trace.x is not None
    return trace.x


def drawn_picture(model: Model, trace: Trace) -> Tensor:
    """A sample of p(x given z), (B, ...) in [0, 1]."""
    assert trace.x is not None
    return trace.x.clamp(0, 1)


class Remembered:
    """A reading that remembers the latents of every walk, and reads the picture as `read` does.

    `copies`, how many rows a walk has for each picture, the first n of which are meant: two of a guided one.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> latents = Remembered()
    >>> pictures = decode(model, {}, 5, read=latents)
    >>> {name: tuple(z.shape) for name, z in latents.values().items()}
    {'z2': (5, 2), 'z1': (5, 4)}
    """

    def __init__(self, read: Reading = mean_picture, *, copies: int = 1) -> None:
        self.read, self.copies, self.walks = read, copies, list[dict[Pin, Tensor]]()

    def __call__(self, model: Model, trace: Trace) -> Tensor:
        values = {pin(record.key): record.value for record in trace.latents}
        self.walks.append({variable: value[: len(value) // self.copies] for variable, value in values.items()})
        return self.read(model, trace)

    def values(self) -> dict[Pin, Tensor]:
        """The latents of all walks, {name or (name, step): (N, ...)}."""
        return {variable: torch.cat([walk[variable] for walk in self.walks]) for variable in self.walks[0]}


def traces(model: Model, data: Tensor | Datum, draw: Draw = posterior, chunk: int = CHUNK) -> Iterator[Trace]:
    """Traces of the data, (N, ...), `chunk` rows at a time, on the device and in the type of the weights."""
    for rows in placed(model, data).split(whole("chunk", chunk, 1)):
        yield run(model, draw, model.evidence(rows))


def placed(model: Model, data: Tensor | Datum) -> Datum:
    """The data, (N, ...), on the device and in the type of the weights.  Raises HvaeError where there are none."""
    datum = as_datum(data)
    at_least(1, len(datum), "images")
    first = next(model.parameters(), datum.x)
    there = datum.to(first.device)
    # Integers and complex numbers are left for the walk to refuse.
    return replace(there, x=there.x.to(first)) if there.x.is_floating_point() else there


def context_of(model: Model, data: Tensor | Datum) -> dict[str, Tensor]:
    """The context of the data that the model takes, {name: (N, ...)}."""
    return dict(relevant(as_datum(data), model.conditions).context)


def encode(model: Model, data: Tensor | Datum, draw: Draw = posterior, chunk: int = CHUNK) -> dict[Pin, Tensor]:
    """The value of every latent, {name or (name, step): (N, ...)}, as `draw` chooses it on the data."""
    parts = [{pin(record.key): record.value for record in trace.latents} for trace in traces(model, data, draw, chunk)]
    return {variable: torch.cat([part[variable] for part in parts]) for variable in parts[0]}


def of_levels(names: Sequence[str], values: Mapping[Pin, Tensor]) -> dict[Pin, Tensor]:
    """The values of the named levels, all steps."""
    return {variable: value for variable, value in values.items() if as_key(variable)[0] in names}


def decode(
    model: Model,
    values: Mapping[Pin, Tensor],
    n: int,
    *,
    context: Context | None = None,
    otherwise: Draw = prior(),
    hold: Holding = given,
    read: Reading = mean_picture,
    chunk: int = CHUNK,
) -> Tensor:
    """Pictures (n, ...) of the values, each (n, ...), set by the draw `hold`; `otherwise` draws the other levels.

    `context`, (n, ...) or one row for all, is conditions a conditional model.
    """
    rows = model.nothing(n, context).context

    def part(some: slice) -> Tensor:
        some_rows = {name: value[some] for name, value in rows.items()}
        pins = hold({variable: value[some] for variable, value in values.items()}, otherwise)
        return read(model, run(model, pins, Evidence(some.stop - some.start, context=some_rows)))

    return in_parts(n, chunk, part)


def in_parts(n: int, chunk: int, part: Callable[[slice], Tensor]) -> Tensor:
    """n rows, `chunk` of them at a time."""
    size = whole("chunk", chunk, 1)
    return torch.cat([part(slice(start, min(start + size, n))) for start in range(0, n, size)])
