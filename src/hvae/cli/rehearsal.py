"""hvae train --dry-run and --print-config: what a training would do, without doing any of it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group

from hvae.cli.voice import Voice
from hvae.config.run import RunConfig
from hvae.runs.source import expected_shape
from hvae.screen.numbers import counted
from hvae.screen.table import table
from hvae.study.beforehand import check_parts
from hvae.study.building import checked, parameters
from hvae.study.levels import check_first_batch, check_held, check_levels
from hvae.study.sizing import settled


def show_config(config: RunConfig, voice: Voice) -> None:
    """Print the complete configuration, as config.yaml would hold it."""
    voice.answer({"config": config.to_dict()})
    if not voice.machine:
        print(config.to_yaml(), end="")


def rehearse(config: RunConfig, folder: Path, resume: bool, voice: Voice) -> None:
    """Check all that can be checked before weights exist, and show what would be done."""
    import torch

    from hvae.data import check_there
    from hvae.walk import names

    check_there(config.data)
    shape, bits = expected_shape(config)
    config = settled(config)
    with torch.device("meta"):
        model = checked(config, shape, bits)
        check_levels(config.objective, model)
        check_held(config.evaluate, model)
        check_first_batch(config.train, model)
        levels = names(model)
    check_parts(config)
    train, evaluate = config.train, config.evaluate
    lines = {
        "data": f"{config.data.name} {config.data.path}".rstrip() + f", {shape} of {counted(bits, 'bit')}",
        "model": f"{config.model.family}, {counted(len(levels), 'level')}, {parameters(model):,} parameters",
        "training": f"{counted(train.steps, 'step')} of {train.batch:,} data, seed {train.seed}, {train.accelerator}",
        "evaluation": f"measures {', '.join(evaluate.measures)}; IW-{evaluate.draws}, {evaluate.split} data",
        "run folder": f"{folder} ({'goes on' if resume else 'to be made'})",
    }
    voice.answer({"dry_run": True, "config": config.to_dict(), "parameters": parameters(model), "levels": levels})
    if not voice.machine:
        plan = table("", "")
        for name, text in lines.items():
            plan.add_row(name, text)
        voice.show(Group(plan, "nothing was written"))
