"""By whose convention a model is measured: which likelihood its weights are read with, and how that is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hvae.config.evaluate import PROTOCOLS, EvaluateConfig, reading, verdict

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun


def read_by(run: LoadedRun) -> LoadedRun:
    """The run with its weights read by the likelihood that its protocol asks for; the weights are the same."""
    from hvae.zoo import build

    model = run.config.model
    wanted = reading(model.family, model.likelihood, PROTOCOLS[run.config.evaluate.protocol].published)
    if wanted == model.likelihood:
        return run
    config = run.config.override({"model.likelihood": wanted})
    other = build(config.model, shape=run.model.shape, bits=run.bits)
    other.load_state_dict(run.model.state_dict())
    return replace(run, model=other.eval(), config=config)


def told(run: LoadedRun) -> dict[str, Any]:
    """The convention of an evaluation, for its record."""
    evaluate, model, source = run.config.evaluate, run.config.model, run.description.get("imported", {})
    # What the authors state is of their convention: beside another one it would mislead.
    stated = source.get("expected", "") if source.get("protocol") == evaluate.protocol else ""
    return {
        "name": evaluate.protocol,
        "about": PROTOCOLS[evaluate.protocol].about,
        "kept": _kept(evaluate),
        "likelihood": model.likelihood,
        "reading": verdict(model.family, model.likelihood),
        "stated": stated and f"{stated}, by {source['code']} on {source['data']}",
    }


def _kept(evaluate: EvaluateConfig) -> bool:
    """Whether the convention was kept: its number of samples, and every test datum."""
    return (evaluate.draws, evaluate.limit, evaluate.split) == (PROTOCOLS[evaluate.protocol].samples, 0, "test")


def sentence(protocol: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """The convention in a line, and how this evaluation differs from it."""
    changed = "" if protocol["kept"] else f"; here K = {result['samples']} on {result['data']:,} data"
    return f"{protocol['about']}{changed}; likelihood {protocol['likelihood']} ({protocol['reading']})"
