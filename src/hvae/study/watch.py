"""What is watched while a model trains, beside its bound: how much of each level is used, and what it says of the data.

Small numbers of data, so that a validation costs about a quarter more: curves show when a level dies or wakes; the
numbers that count are those of `hvae evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hvae.data import SequenceSplit, Split
    from hvae.datum import Datum
    from hvae.walk import Model

USED_DATA, DRAWS, PAIRS = 128, 2, 16
"""Data whose units are looked at, draws for each, and data that are told apart (by their square in walks)."""

Row = dict[str, float]


def watching(valid: Split | SequenceSplit, seed: int, rows: int) -> Callable[[Model, int], Row] | None:
    """What to call at each validation, at most `rows` data at once; None without even two data to tell apart."""
    if len(valid) < 2:
        return None
    # The measures multiply their seed, and torch takes 64 bits of the product.
    seed %= 2**32

    from hvae.data import subset

    def watch(model: Model, step: int) -> Row:
        if _is_thinned(model):
            return {}
        images = valid.fixed(seed)
        some, few = (images.batch(subset(len(images), n)) for n in (USED_DATA, max(2, min(PAIRS, rows))))
        used = _used(model, list(some.split(rows)), seed)
        # Values of a sequence are none of another one, which has other steps; and some models have no latents.
        return used if model.timed or not used else {**used, **_information(model, few, len(images), seed)}

    return watch


def _is_thinned(model: Model) -> bool:
    """Whether training visits a few of many levels, and a look at all would take longer than it: what they say of the
    data is fixed there."""
    from hvae.distributions import Visits
    from hvae.walk import glimpse

    return any(isinstance(record.p, Visits) and record.p.few for record in glimpse(model).records.values())


def _used(model: Model, batches: Iterable[Datum], seed: int) -> Row:
    """The share of each level's dimensions (of codes: positions) that spend more than a hundredth of a nat."""
    from hvae.metrics import activity

    result = activity(model, batches, DRAWS, seed=seed)
    return {f"valid/used/{name}": level.used_dims / level.dims for name, level in result.levels.items()}


def _information(model: Model, x: Datum, population: int, seed: int) -> Row:
    """I(x; z) of each level given those drawn before it, nats; none where q cannot score the values of others."""
    from hvae.errors import HvaeError
    from hvae.metrics import mutual

    try:
        result = mutual(model, [x], population=population, chunk_rows=len(x), seed=seed)
    except HvaeError:
        return {}
    levels = {name: level.information_nats.stratified.mean for name, level in result.levels.items()}
    return {f"valid/information/{name}": nats for name, nats in levels.items()}
