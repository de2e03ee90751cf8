"""Samples that follow their condition more closely than the model does: guidance, level by level.

Shapes: `n` samples; `...` a variable's own shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hvae.condition import Context
from hvae.draw import Draw, given, guided
from hvae.errors import HvaeError
from hvae.explore.frame import Reading, check_levels, in_parts, levels
from hvae.site import Pin
from hvae.walk import Evidence, Model, device_of, run

Guidance = float | Mapping[str, float]
"""One weight for all levels, or weights by level, 1 for the others."""
MOST = 100.0


def weights(guidance: Guidance, model: Model, names: list[str], context: Context) -> dict[str, float]:
    """The weight of each level that is guided; none where every weight is 1, which is what the model does.

    Raises HvaeError for a level that there is not, a weight below 0, and a model that cannot be guided.
    """
    by_name = dict(guidance) if isinstance(guidance, Mapping) else dict.fromkeys(names, guidance)
    check_levels(list(by_name), names)
    for name, weight in by_name.items():
        if not 0 <= weight <= MOST:
            raise HvaeError(
                f"guidance: expected a weight from 0 to {MOST:g} for {name}, got {weight}; 1 leaves it alone"
            )
    steered = {name: float(weight) for name, weight in by_name.items() if weight != 1}
    if steered:
        _check_guidable(model, context)
    return steered


def _check_guidable(model: Model, context: Context) -> None:
    if not model.conditions:
        raise HvaeError("guidance follows a condition, and this model has none; leave it out")
    if not any(condition.optional for condition in model.conditions.values()):
        raise HvaeError(
            "guidance also walks without the condition, which this model has not learnt; train it with "
            "model.condition.drop above 0, 0.1 say"
        )
    if not any(_is_known(model, name, value) for name, value in context.items()):
        names = ", ".join(model.conditions)
        raise HvaeError(f"guidance follows a condition: expected a context with a known {names}, got none; name one")


def _is_known(model: Model, name: str, value: object) -> bool:
    condition = model.conditions.get(name)
    if condition is None:
        return False
    rows = torch.as_tensor(value)
    return bool((rows >= 0).any()) if condition.classes else not bool(rows.isnan().all())


def decode_guided(
    model: Model,
    values: Mapping[Pin, Tensor],
    n: int,
    *,
    context: Context,
    steered: Mapping[str, float],
    otherwise: Draw,
    read: Reading,
    chunk: int,
) -> Tensor:
    """Pictures (n, ...) of the values, each (n, ...); `otherwise` draws the other levels, from their guided priors."""
    rows, follow = model.nothing(n, context).context, _shared_weight(steered, levels(model))

    def part(some: slice) -> Tensor:
        count = some.stop - some.start
        draw = guided(follow, given({variable: value[some] for variable, value in values.items()}, otherwise))
        both = with_and_without(model, {name: value[some] for name, value in rows.items()}, count)
        return read(model, run(model, draw, both))[:count]

    return in_parts(n, chunk, part)


def _shared_weight(steered: Mapping[str, float], names: Sequence[str]) -> float | Mapping[str, float]:
    """The weight that all levels have, where it is one: without names, for a walk of few steps may not visit all."""
    is_one = steered.keys() == set(names) and len(set(steered.values())) == 1
    return next(iter(steered.values())) if is_one else steered


def with_and_without(model: Model, context: Mapping[str, Tensor], n: int, *, horizon: int | None = None) -> Evidence:
    """2 n rows, of `horizon` steps: n under the context, then as many of which only what must be known is known."""
    device = device_of(model)
    free = {
        name: condition.unknown(n, device).to(context[name]) if condition.optional else context[name]
        for name, condition in model.conditions.items()
    }
    both = {name: torch.cat([value, free[name]]) for name, value in context.items()}
    return Evidence(2 * n, context=both, horizon=horizon)
