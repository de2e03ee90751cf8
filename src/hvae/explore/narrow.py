"""Which codes may be drawn at each level, by top-k and top-p, resolved and refused before anything is drawn.

Shapes: none of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from hvae.distributions.codebook import UniformCodes
from hvae.distributions.ranked import Among, RankedCodes
from hvae.errors import HvaeError, unknown
from hvae.walk import Model, glimpse

TopK = int | Mapping[str, int] | None
TopP = float | Mapping[str, float]
REST = ""
"""Stands for all levels that are not named."""


def narrowing(model: Model, top_k: TopK = None, top_p: TopP = 1.0) -> dict[str, Among]:
    """Which codes each level may have, by name; levels that may have all of them are left out.

    `top_k` and `top_p` hold for all levels with a trained prior over codes, or for each by name, "" for those that are
    not named.  Raises HvaeError for a level that the model does not have, one without such a prior, more codes than its
    book has, and a share out of (0, 1].
    """
    by_k = dict(top_k) if isinstance(top_k, Mapping) else {REST: top_k}
    by_p = dict(top_p) if isinstance(top_p, Mapping) else {REST: top_p}
    # A number that no book fits is the fault, whatever the model is.
    for among in (*(Among(k=k) for k in by_k.values()), *(Among(p=p) for p in by_p.values())):
        among.check()
    rest = Among(by_k.pop(REST, None), by_p.pop(REST, 1.0))
    if not by_k and not by_p and rest == Among():
        return {}
    laws = {record.name: record.p for record in glimpse(model).latents}
    if not laws:
        raise HvaeError("top-k and top-p are for levels of codes, and this model has no latents; leave them out")
    priors = {name: p for name, p in laws.items() if isinstance(p, RankedCodes)}
    for name in (*by_k, *by_p, *([] if priors else [next(iter(laws))])):
        _check(name, laws)
    limits = {name: Among(by_k.get(name, rest.k), by_p.get(name, rest.p)) for name in priors}
    for name, among in limits.items():
        _narrow(name, priors[name], among)
    return {name: among for name, among in limits.items() if among != Among()}


def _check(name: str, laws: Mapping[str, object]) -> None:
    """Raises HvaeError for a level whose codes have no trained prior."""
    if name not in laws:
        raise unknown("level", name, laws)
    law = laws[name]
    if isinstance(law, UniformCodes):
        raise HvaeError(
            f"{name}: top-k and top-p need a trained prior over its codes, and all {len(law.book):,} are alike; train "
            "one: --model.prior transformer --train.init RUN --train.only prior"
        )
    if not isinstance(law, RankedCodes):
        raise HvaeError(f"{name}: top-k and top-p are for levels of codes; use a temperature there")


def _narrow(name: str, law: RankedCodes, among: Among) -> None:
    try:
        law.narrowed(among)
    except HvaeError as error:
        raise HvaeError(f"{name}: {error}") from None
