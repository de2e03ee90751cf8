"""Trace -> loss: the ELBO with its rate filters, the importance-weighted bound, and that of a particle filter."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hvae.config.objective import ObjectiveConfig, RegulariserConfig, WarmUpConfig
from hvae.draw import Draw, forget, posterior
from hvae.errors import HvaeError
from hvae.objectives.elbo import ELBO
from hvae.objectives.filtering import FIVO
from hvae.objectives.gradients import STL, DReG
from hvae.objectives.importance import IWAE
from hvae.objectives.labels import M2
from hvae.objectives.layerwise import Layerwise
from hvae.objectives.loss import Loss, Objective, Schedule, first_nonfinite
from hvae.objectives.matching import Matching
from hvae.objectives.rates import Average, Balance, Beta, FreeBits, RateFilter, WarmUp, alone
from hvae.objectives.regulariser import Regulariser
from hvae.objectives.schedule import Shape, cyclical, linear, sigmoid
from hvae.objectives.spectra import Spectra
from hvae.objectives.weaning import Weaning
from hvae.walk import Model

__all__ = [
    "ELBO",
    "FIVO",
    "IWAE",
    "M2",
    "STL",
    "Balance",
    "Beta",
    "DReG",
    "FreeBits",
    "Layerwise",
    "Loss",
    "Matching",
    "Objective",
    "RateFilter",
    "Regulariser",
    "Spectra",
    "WarmUp",
    "build",
    "cyclical",
    "first_nonfinite",
    "linear",
    "sigmoid",
    "warm_up",
]

WEIGHED: dict[str, type[IWAE | STL | DReG]] = {"iwae": IWAE, "stl": STL, "dreg": DReG}


def build(config: ObjectiveConfig, average: Average = alone, teacher: Model | None = None) -> Objective:
    """The objective of a configuration.

    `average` is the mean of a detached tensor over all processes that share a batch: free bits on the batch mean and
    balancing look at the whole batch, so that the loss does not depend on how many processes compute it.  `teacher` is
    the trained model that kind matching matches.  Raises HvaeError for a warm-up in shares of an unknown number of
    steps (`config.over(steps)` converts them), and for matching without a teacher.

    >>> build(ObjectiveConfig(kind="iwae", samples=5)).samples
    5
    >>> build(ObjectiveConfig(kind="dreg", samples=5)).samples  # every draw has a twin
    10
    """
    warmup = warm_up(config.warmup)
    regulariser = Regulariser(config.regulariser.weight, config.regulariser.start, warmup, _on_maps(config.regulariser))
    if config.kind == "fivo":
        return FIVO(config.samples, threshold=config.threshold, regulariser=regulariser)
    if config.kind == "matching":
        if teacher is None:
            raise HvaeError("objective.kind: matching needs a trained model to match; name its run in train.init")
        return Matching(teacher)
    if config.kind == "m2":
        return M2(config.samples, alpha=config.alpha, regulariser=regulariser)
    if config.kind != "elbo":
        return WEIGHED[config.kind](config.samples, regulariser=regulariser)
    filters: list[RateFilter] = []
    if config.balance:
        filters.append(Balance(warmup, average))
    if config.free_bits.used:
        # Free bits come before beta and warm-up: the floor is in true nats, whatever they are charged at.
        filters.append(FreeBits(config.free_bits.nats, config.free_bits.per, config.free_bits.over, average))
    if config.beta != 1.0:
        filters.append(Beta(config.beta))
    draw = posterior if config.keep == 1.0 else forget(config.keep)
    if config.own and isinstance(config.own_length, float):
        raise HvaeError("objective.own_length: expected a number of steps, got a share; give config.over(steps)")
    if isinstance(config.layerwise, float):
        raise HvaeError("objective.layerwise: expected a number of steps, got a share; give config.over(steps)")
    schedules: list[Schedule] = [Weaning(config.own, config.own_length)] if config.own else []
    schedules += [Layerwise(config.layerwise)] if config.layerwise else []
    return ELBO(
        *filters,
        warmup=warmup,
        samples=config.samples,
        regulariser=regulariser,
        draw=draw,
        schedule=partial(_changed, schedules) if schedules else None,
        spectra=Spectra(config.stft) if config.stft else None,
        commitment=warm_up(config.commitment) if config.commitment.used else None,
    )


def _changed(schedules: Sequence[Schedule], draw: Draw, step: int) -> Draw:
    for schedule in schedules:
        draw = schedule(draw, step)
    return draw


def _on_maps(config: RegulariserConfig) -> dict[str, float]:
    weights = {"orthogonal": config.orthogonal, "spectral": config.spectral}
    return {name: weight for name, weight in weights.items() if weight}


def warm_up(config: WarmUpConfig) -> WarmUp:
    """The weights of a warm-up by step.  Raises HvaeError for one in shares of an unknown number of steps."""
    if config.has_shares:
        raise HvaeError(f"{config.at}: expected numbers of steps, got shares of them; give config.over(steps)")
    shapes: dict[str, Shape] = {
        "linear": linear,
        "sigmoid": sigmoid,
        "cyclical": partial(cyclical, cycles=config.cycles),
    }
    return WarmUp(shapes[config.shape], config.start, config.length, config.floor)
