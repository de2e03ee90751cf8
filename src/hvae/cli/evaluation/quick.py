"""The measures that are taken unless others are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hvae.cli.evaluation.partial import Partial
from hvae.cli.evaluation.work import Work, fault

if TYPE_CHECKING:
    from torch import Tensor

ACTIVITY_DATA, RECONSTRUCTED, CONTRIBUTION_DATA, MAP_DATA = 2_000, 1_000, 300, 300
GROUPS, REDRAWS = 200, 8
MAPS = "rate-maps.png"


def likelihood(work: Work, partial: Partial | None) -> dict[str, Any]:
    from hvae.metrics import bounds
    from hvae.metrics.likelihood import forget

    config = work.config
    with work.bar(f"likelihood, K = {config.draws}") as tick:
        return bounds(
            work.model,
            work.batches(),
            config.draws,
            chunk_rows=work.rows,
            seed=config.seed,
            progress=tick,
            done=tuple(partial.batches) if partial else (),
            keep=partial.keep_batch if partial else forget,
        ).to_dict()


def activity(work: Work) -> dict[str, Any]:
    from hvae.metrics import activity

    with work.bar("activity of the levels") as tick:
        return activity(work.model, work.batches(ACTIVITY_DATA), seed=work.config.seed, progress=tick).to_dict()


def few(work: Work) -> str:
    """Too few data to see what varies with them."""
    return "" if len(work.split) > 1 else f"2 data or more are needed, got {len(work.split)}"


def mutual(work: Work) -> dict[str, Any]:
    with work.bar(f"mutual information, {_pairs(work)} x {_pairs(work)} walks") as tick:
        return _mutual(work, _pairs(work), progress=tick)


def cannot_replay(work: Work) -> str:
    """Some posteriors cannot score the values of another datum: two data tell."""
    return few(work) or fault(_mutual, work, 2)


def _pairs(work: Work) -> int:
    return min(work.config.pairs, len(work.split))


def _mutual(work: Work, count: int, **settings: Any) -> dict[str, Any]:
    from hvae.metrics import mutual

    x, population = work.split.batch(range(count)), len(work.split)
    found = mutual(work.model, [x], population=population, chunk_rows=work.rows, seed=work.config.seed, **settings)
    return found.to_dict()


def reconstruction(work: Work) -> dict[str, Any]:
    from hvae.metrics import reconstruction

    with work.bar("reconstruction") as tick:
        found = reconstruction(work.model, work.batches(RECONSTRUCTED), seed=work.config.seed, progress=tick)
    return found.to_dict()


def contribution(work: Work) -> dict[str, Any]:
    from hvae.metrics import contribution

    with work.bar("contribution of the levels") as tick:
        found = contribution(work.model, work.batches(CONTRIBUTION_DATA), seed=work.config.seed, progress=tick)
    return found.to_dict()


def maps(work: Work) -> dict[str, Any]:
    """Mean nats at each place of each level, drawn; levels without places are left out."""
    from hvae.metrics import usual_maps
    from hvae.study.heat import draw_rates

    with work.bar("rate maps") as tick:
        batches = work.batches(MAP_DATA)
        mean = usual_maps(work.model, batches, seed=work.config.seed, progress=tick).mean
    path = draw_rates(work.subject.run.folder / "pictures" / MAPS, mean, work.subject.data.shape)
    return {
        "data": len(batches.split),
        "picture": f"pictures/{path.name}",
        "levels": {name: _where(nats) for name, nats in mean.items()},
    }


def _where(nats: Tensor) -> dict[str, Any]:
    return {"places": list(nats.shape), "most_nats": float(nats.max()), "mean_nats": float(nats.mean())}


def no_places(work: Work) -> str:
    return few(work) or ("" if work.images else "images are needed, and these data are vectors")


def coarse_to_fine(work: Work) -> dict[str, Any]:
    """Does the top decide the class?

    Two mirrors: `top_redrawn` keeps the values of the lower levels, `top_swapped` their offsets from the prior.
    """
    from hvae.explore import top_held, top_redrawn, top_swapped
    from hvae.explore.resample import has_offsets
    from hvae.metrics import coarse_to_fine as compare

    model, config, split = work.model, work.config, work.split
    held, classify = min(config.held, len(work.levels) - 1), work.classifier
    x = split.batch(range(min(GROUPS, len(split))))
    settings: dict[str, Any] = {"count": held, "repeats": REDRAWS, "seed": config.seed}
    mirrors = {"redrawn": top_redrawn, **({"swapped": top_swapped} if has_offsets(model) else {})}
    found: dict[str, Any] = {}
    with work.bar("coarse to fine: redraws") as tick:
        kept = top_held(model, x, **settings)
        for done, (how, mirror) in enumerate(mirrors.items(), 1):
            tick(done, 1 + len(mirrors))
            compared = compare(classify, kept, mirror(model, x, **settings), seed=config.seed)
            # What is not of the mirror is the same for each of them.
            found |= {key.replace("redrawn", how): value for key, value in compared.to_dict().items()}
    return {**found, "held": held, "classifier": classify.describe()}


def no_hierarchy(work: Work) -> str:
    """Why the coarse-to-fine experiment has no meaning here."""
    if len(work.levels) < 2:
        return "2 levels or more are needed, and this model has one"
    return work.no_classifier() if work.images else "images are needed, and these data are vectors"
