"""Every preset is a run that can be built."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from hvae import objectives
from hvae.config import PRESETS, RunConfig, preset
from hvae.config.condition import ConditionConfig
from hvae.config.presets import is_open
from hvae.config.presets.biva import BIVA
from hvae.config.presets.own import OWN
from hvae.config.presets.sizes import SIZES
from hvae.draw import posterior, prior
from hvae.errors import HvaeError
from hvae.runs.source import expected_shape
from hvae.study.building import size
from hvae.walk import run
from hvae.zoo import build

OPEN: dict[str, tuple[tuple[int, ...], int]] = {
    **dict.fromkeys(("folder", "npy", "idx", "hub"), ((3, 64, 64), 8)),
    "table": ((8,), 16),
}
"""What is built where only the data say which shape they have."""
IMAGES = [name for name in OWN if preset(name).data.name != "table"]


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_survives_its_file_and_builds(name: str) -> None:
    config = preset(name)
    assert RunConfig.from_yaml(config.to_yaml()) == config
    own = is_open(config.data)
    shape, bits = OPEN[config.data.name] if own and not config.data.bits else expected_shape(config)
    # What a table holds is said by its columns: real numbers here.
    model = replace(config.model, columns=("real",) * 8) if config.model.likelihood == "columns" else config.model
    assert size(model, shape, bits) == SIZES[name]
    # Grey values need a likelihood of many values, binarised ones one of two.
    assert (config.model.likelihood == "bernoulli") == (bits == 1)


def test_the_budget_of_the_comparison_is_shared() -> None:
    families = ("vae", "markov", "lvae", "vlae", "ladder")
    runs = [preset(f"mnist-static-{family}") for family in families]
    assert [run.model.family for run in runs] == list(families)
    assert all(run.data == runs[0].data and run.evaluate == runs[0].evaluate for run in runs)


@pytest.mark.parametrize("name", [name for name in BIVA if name.startswith("biva")])
def test_the_free_nats_of_biva_are_divided_over_each_latent(name: str) -> None:
    """Two nats a latent: the floors, each as often as the built model has dimensions, and no level without them."""
    config = preset(name)
    with torch.device("meta"):
        model = build(config.model, *expected_shape(config)).eval()
        dims = {record.name: record.value[0].numel() for record in run(model, prior()).latents}
    free = config.objective.free_bits
    assert (free.per, free.over) == ("dimension", "sample") and isinstance(free.nats, dict)
    assert {level: nats * dims[level] for level, nats in free.nats.items()} == pytest.approx(dict.fromkeys(dims, 2.0))


def test_free_nats_of_biva_are_charged_as_released() -> None:
    """sum_d max(KL_d, 2 / D) of each datum: never less than the two nats of each level."""
    config = preset("biva-mnist-static")
    objective = objectives.build(config.objective)
    torch.manual_seed(0)
    model = build(config.model, *expected_shape(config)).eval()
    with torch.no_grad():
        trace = run(model, posterior, model.evidence(torch.rand(2, 1, 28, 28).round()))
        loss = objective(trace, 0)
    floors = {record.name: 2 / record.value[0].numel() for record in trace.latents}
    rates = trace.nats()
    charged = sum(nats.clamp(min=floors[name]).flatten(1).sum(1).mean() for name, nats in rates.items())
    assert float(loss.total + loss.terms["log_likelihood"]) == pytest.approx(float(charged), rel=1e-4)
    assert float(charged) > max(2.0 * len(rates), float(trace.rates()["z6"].mean()))


def test_presets_leave_the_rows_of_an_evaluation_to_what_fits() -> None:
    """As many as a batch of training are several GB a map at 256 pixels and more."""
    assert all(preset(name).evaluate.rows is None for name in PRESETS)


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(HvaeError, match="no preset named 'cifar'; did you mean 'cifar10'"):
        preset("cifar")


def test_a_condition_that_is_taken_away_takes_its_keys_with_it() -> None:
    assert preset("mnist-ladder-class").model.condition.drop
    none = preset("mnist-ladder-class", {"model.condition.kind": "none"}).model.condition
    assert none == ConditionConfig()
    with pytest.raises(HvaeError, match="there is no condition to drop"):
        preset("mnist-ladder-class", {"model.condition.kind": "none", "model.condition.drop": 0.1})


def test_overrides() -> None:
    assert preset("mnist-static-lvae", {"model.latents": "8,4", "model.widths": "16,8"}).model.latents == (8, 4)


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("steps", [50, 7_000])
def test_presets_for_own_images_warm_up_within_any_training(name: str, steps: int) -> None:
    config = preset(name, {"train.steps": steps})
    assert config.objective.over(steps).warmup.length == steps // 10
    assert is_open(config.data)
