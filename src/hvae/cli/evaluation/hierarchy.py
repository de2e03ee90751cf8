"""The hierarchical importance-weighted bound as a measure: at which levels the ELBO loses its nats."""

from __future__ import annotations

from typing import Any

from hvae.cli.evaluation.work import Work

SCORED, GROUPS, MOST = 200, 4, 6
"""Data, groups of draws for each, and prefixes of levels that are tried, at most."""


def hierarchical(work: Work) -> dict[str, Any]:
    """One bound for each of some prefixes of the levels, as inference draws them."""
    from hvae.metrics import hierarchical_bounds

    config, first = work.config, prefixes(work)
    found = []
    for count, shared in enumerate(first, 1):
        with work.bar(f"hierarchical bound, {count} of {len(first)}") as tick:
            result = hierarchical_bounds(
                work.model,
                work.batches(SCORED),
                shared,
                groups=GROUPS,
                samples=max(2, config.draws // GROUPS),
                chunk_rows=work.rows,
                seed=config.seed,
                progress=tick,
            )
        found.append(result.to_dict())
    return {"bounds": found}


def one_level(work: Work) -> str:
    """Draws of a single level have nothing to share."""
    return "" if len(work.levels) > 1 else "2 levels or more are needed, and this model has one"


def prefixes(work: Work) -> list[list[str]]:
    """The levels that inference draws first: one, then more, to all but one; of a deep model some."""
    drawn = list(dict.fromkeys(r.name for r in work.model(work.split.batch([0]).to(_device(work))).latents))
    lengths = sorted({1 + round(i * (len(drawn) - 2) / (MOST - 1)) for i in range(MOST)})
    return [drawn[:length] for length in lengths]


def _device(work: Work) -> Any:
    from hvae.metrics.evaluating import device_of

    return device_of(work.model)
