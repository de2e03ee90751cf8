"""Every preset is a run that can be built."""

from __future__ import annotations

import pytest

from hvae.cli.models import size
from hvae.cli.source import expected_shape
from hvae.config import PRESETS, RunConfig, preset
from hvae.config.presets import YOUR_FOLDER
from hvae.config.presets.first import FIRST
from hvae.config.presets.sizes import SIZES
from hvae.errors import HvaeError


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_survives_its_file_and_builds(name: str) -> None:
    config = preset(name)
    assert RunConfig.from_yaml(config.to_yaml()) == config
    own = config.data.path == YOUR_FOLDER
    shape, bits = ((3, 64, 64), 8) if own and not config.data.bits else expected_shape(config)
    assert size(config.model, shape, bits) == SIZES[name]
    # Grey values need a likelihood of many values, binarised ones one of two.
    assert (config.model.likelihood == "bernoulli") == (bits == 1)


def test_the_budget_of_the_comparison_is_shared() -> None:
    runs = [preset(name) for name in FIRST if name.startswith("mnist-static-")]
    assert len(runs) == 5
    assert len({run.model.family for run in runs}) == 5
    assert all(run.data == runs[0].data and run.evaluate == runs[0].evaluate for run in runs)


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(HvaeError, match="no preset named 'cifar'; did you mean 'cifar10'"):
        preset("cifar")


def test_overrides() -> None:
    assert preset("mnist-static-lvae", {"model.latents": "8,4", "model.widths": "16,8"}).model.latents == (8, 4)
