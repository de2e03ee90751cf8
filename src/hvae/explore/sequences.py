"""Sequences from nothing, and from a beginning: as many steps as are asked for.

Shapes: `n` sequences; `T` steps; `T0` steps of a beginning; `...` one step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from hvae.condition import Context
from hvae.counts import whole
from hvae.datum import Datum
from hvae.draw import Draw, each, given, guided, posterior, prior
from hvae.errors import HvaeError
from hvae.explore.frame import CHUNK, at_least, in_parts, levels
from hvae.explore.frame import top as highest
from hvae.explore.guide import Guidance, weights, with_and_without
from hvae.explore.sample import Temperature, at_temperature
from hvae.site import Pin, as_key, pin
from hvae.walk import Model, Trace, device_of, glimpse, run, still

DATA = "x"


def generate(
    model: Model,
    n: int,
    steps: int,
    *,
    beginning: Tensor | None = None,
    context: Context | None = None,
    temperature: Temperature = 1.0,
    guidance: Guidance = 1.0,
    seed: int | None = None,
    chunk: int = CHUNK,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    r"""`n` sequences of so many steps, data drawn too: what a step is decides what follows it.

    $$z_t \sim p_\tau(z_t \mid z_{<t}, x_{<t}), \qquad x_t \sim p(x_t \mid z_{\le t}, x_{<t})$$

    With a `beginning` (T0, ...) the latents of its steps are drawn from q(z | x) and its data are as they are; all
    that follows is generated.  Temperatures are those of the latents; data keep their own noise.  `guidance`, how
    closely levels follow the context (1: as the model does; `hvae.guided`).  Returns (n, T, ...)
    on the CPU.  Raises HvaeError for a beginning that is not shorter than the whole, or of other steps, and as
    `explore.guide.weights` does.

    >>> from hvae.config.sequences import VRNNConfig
    >>> from hvae.zoo import build
    >>> model = build(VRNNConfig(latent=2, state=4, width=4), shape=(9, 3), bits=1)
    >>> begun = generate(model, 2, 7, beginning=torch.ones(4, 3), seed=0)
    >>> begun.shape, bool(begun[:, :4].all())
    (torch.Size([2, 7, 3]), True)
    """
    n = whole("n", n, 1)
    if beginning is not None:
        check_beginning(model, beginning, steps)
    otherwise, rows = at_temperature(temperature, levels(model)), model.nothing(n, context).context
    steered = weights(guidance, model, levels(model), context or {})
    with still(model, seed):
        parts = []
        for start in range(0, n, chunk):
            count, some = min(chunk, n - start), {name: value[start : start + chunk] for name, value in rows.items()}
            pins = {} if beginning is None else begun(model, beginning, count, some)
            if steered:
                parts.append(_guided(model, count, steps, guided(steered, given(_twice(pins), otherwise)), some))
            else:
                parts.append(_walked(model, count, steps, given(pins, otherwise), some))
            progress(start + count, n)
    sequences = torch.cat(parts).cpu()
    if beginning is not None:
        sequences[:, : len(beginning)] = beginning
    return sequences


def decode(
    model: Model,
    values: Mapping[Pin, Tensor],
    steps: int,
    *,
    context: Context | None = None,
    temperature: Temperature = 1.0,
    seed: int | None = None,
    chunk: int = CHUNK,
) -> Tensor:
    r"""Sequences of given latents, of so many steps; levels and steps that are not given are drawn, as are the data.

    $$x_t \sim p(x_t \mid z_{\le t}, x_{<t})$$

    Arguments: `values`, {level or (level, step): (N, ...)}; `temperature` of what is drawn; `seed` of all draws.
    Returns (N, T, ...) on the CPU.  Raises HvaeError for unknown levels and values of another shape.

    >>> from hvae.config.sequences import VRNNConfig
    >>> from hvae.zoo import build
    >>> model = build(VRNNConfig(latent=2, state=4, width=4), shape=(9, 3), bits=1)
    >>> decode(model, {("z", 0): torch.ones(5, 2)}, 7).shape
    torch.Size([5, 7, 3])
    """
    rows = max((len(value) for value in values.values()), default=0)
    at_least(1, rows, "rows of latents")
    where, otherwise = device_of(model), at_temperature(temperature, levels(model))
    with still(model, seed):

        def part(some: slice) -> Tensor:
            pins = {variable: value[some].to(where) for variable, value in values.items()}
            return _walked(model, some.stop - some.start, steps, given(pins, otherwise), context)

        return in_parts(rows, chunk, part).cpu()


def begun(model: Model, beginning: Tensor, n: int, context: Context | None = None) -> dict[Pin, Tensor]:
    """What a beginning (T0, ...) decides of n sequences: its latents, drawn from q, and where they are visited step by
    step its data, {variable: (n, ...)}."""
    x = beginning.to(device_of(model)).expand(n, *beginning.shape)
    trace = run(model, posterior, model.evidence(Datum(x), context))
    values: dict[Pin, Tensor] = {pin(record.key): record.value for record in trace.latents}
    if (DATA, 0) in glimpse(model).records:
        values |= {(DATA, t): x[:, t] for t in range(len(beginning))}
    return values


def _walked(model: Model, n: int, steps: int, draw: Draw, context: Context | None) -> Tensor:
    trace: Trace = run(model, draw, model.nothing(n, context, steps=steps))
    assert trace.x is not None
    return trace.x


def _guided(model: Model, n: int, steps: int, draw: Draw, context: Mapping[str, Tensor]) -> Tensor:
    trace: Trace = run(model, draw, with_and_without(model, context, n, horizon=steps))
    assert trace.x is not None
    return trace.x[:n]


def _twice(pins: Mapping[Pin, Tensor]) -> dict[Pin, Tensor]:
    """Data for both walks of guidance; latents, which it draws for one, as they are."""
    return {v: torch.cat([value, value]) if as_key(v)[0] == DATA else value for v, value in pins.items()}


def check_beginning(model: Model, beginning: Tensor, steps: int) -> None:
    """Raises HvaeError for a beginning (T0, ...) of other steps than the model's, or not shorter than the whole."""
    shape = tuple(model.shape[1:])
    if tuple(beginning.shape[1:]) != shape or not len(beginning):
        raise HvaeError(f"expected a beginning of steps {shape}, got data of shape {tuple(beginning.shape)}")
    if len(beginning) >= steps:
        raise HvaeError(
            f"expected a beginning shorter than the whole, got {len(beginning)} of {steps} steps; ask for more steps"
        )


def redrawn(
    model: Model, x: Tensor, *, top: int | None = None, context: Context | None = None, seed: int | None = None
) -> Tensor:
    r"""A sequence (T, ...) drawn anew from latents that were inferred from it: what they alone keep, (T, ...).

    $$z_{>L-k} \sim q(\cdot \mid x), \qquad z_{\le L-k}, x' \sim p(\cdot \mid z_{>L-k})$$

    `top`, k: so many levels from the top (none: all).  Raises HvaeError for a number that the model does not have.
    """
    names = levels(model) if top is None else highest(model, top)
    with still(model, seed):
        latents = {v: value for v, value in begun(model, x, 1, context).items() if as_key(v)[0] in names}
        return _walked(model, 1, len(x), given(latents, prior()), context)[0].cpu()


def coded(model: Model, x: Tensor, *, top: int | None = None, context: Context | None = None) -> Tensor:
    """The mean of p(x given codes) of a sequence (T, ...): its codes of so many levels from the top (none: all), those
    below at the mode of their prior, as in a file that was cut.  Raises HvaeError as `redrawn` does."""
    lower = [name for name in levels(model) if top is not None and name not in highest(model, top)]
    with still(model):
        evidence = model.evidence(Datum(x[None].to(device_of(model))), context)
        trace = run(model, each(dict.fromkeys(lower, prior(0.0)), posterior), evidence)
        return model.picture(trace)[0].cpu()
