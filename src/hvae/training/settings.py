"""The settings that shape the course of a run: which a resumed run keeps, and which it may change."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from hvae.config.train import TrainConfig
from hvae.data.order import StepSampler
from hvae.errors import HvaeError
from hvae.records import JSON
from hvae.training.parts import selected
from hvae.walk import Model

# What a resumed run may change without leaving the course of the first.
_FREE = {"minutes", "log_every", "save_every", "valid_every", "valid_size", "loggers"}
_FREE |= {"accelerator", "devices", "nodes", "strategy"}


def course_settings(config: TrainConfig, sampler: StepSampler) -> JSON:
    """What decides every step of a run, as its checkpoint holds it."""
    settings = {key: value for key, value in asdict(config).items() if key not in _FREE}
    return {**settings, "shards": sampler.shards, "data": sampler.n}


def falls_due(step: int, every: int) -> bool:
    """Whether something is done after this step that is done every so many (0: never).

    >>> falls_due(100, 50), falls_due(100, 0)
    (True, False)
    """
    return every > 0 and step % every == 0


def changes(now: JSON, then: JSON) -> str:
    """What a resumed run has changed, for the notes; empty for nothing.

    >>> changes({"lr": 0.1, "seed": 0}, {"lr": 0.2, "seed": 0})
    'lr=0.1 (was 0.2)'
    """
    return ", ".join(f"{key}={now[key]} (was {then[key]})" for key in now if key in then and now[key] != then[key])


def check_only(model: Model, folder: Path, now: tuple[str, ...], then: JSON) -> None:
    """Raises HvaeError for a resumed run that would train other parts than before.

    The optimiser remembers its weights by their order alone: of others it would take up the wrong memory.
    """
    was = tuple(then.get("only", ()))
    if selected(model, was) != selected(model, now):
        raise HvaeError(
            f"{folder} trains {_parts_named(was)} (train.only), not {_parts_named(now)}; a resumed run "
            "keeps it: train other parts into another folder, with --train.init"
        )


def _parts_named(patterns: tuple[str, ...]) -> str:
    return ",".join(patterns) or "all parts"
