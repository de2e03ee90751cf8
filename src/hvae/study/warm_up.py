"""A warm-up that training does not reach the end of: said before it begins, and of what has come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hvae.config import RunConfig
    from hvae.walk import Model


def last_weights(config: RunConfig, model: Model, step: int) -> dict[str, float]:
    """The weights of the levels' rates that are below 1 at a step, top first: none once their warm-up is over."""
    from hvae.objectives import warm_up
    from hvae.walk import names

    weights = warm_up(config.objective.over(config.train.steps).warmup).weights(names(model), step)
    return {name: weight for name, weight in weights.items() if weight < 1}


def warm_up_warning(config: RunConfig, model: Model) -> str:
    """What a training with a warm-up longer than itself will come to; empty for others."""
    steps = config.train.steps
    low = last_weights(config, model, steps)
    if not low:
        return ""
    return (
        f"objective.warmup: it outlasts the training of {steps:,} steps, which ends with {weights_text(low)}: -ELBO "
        "itself is never minimised; give objective.warmup.length as a share of the steps (0.1: a tenth), or train "
        "for longer"
    )


def weights_text(weights: dict[str, float]) -> str:
    """Weights of rates in words; one where they are all the same.

    >>> weights_text({"z2": 0.06, "z1": 0.06}), weights_text({"z2": 0.5, "z1": 1.0})
    ('rates at a weight of 0.06', 'the rate of z2 at a weight of 0.5, of z1 1')
    """
    texts = {name: f"{weight:.2g}" for name, weight in weights.items()}
    if len(set(texts.values())) == 1 and len(texts) > 1:
        return f"rates at a weight of {next(iter(texts.values()))}"
    (first, weight), *others = texts.items()
    return ", ".join([f"the rate of {first} at a weight of {weight}", *(f"of {name} {w}" for name, w in others)])
