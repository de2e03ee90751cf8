"""What is asked of a model before anything of it is built."""

from __future__ import annotations

from typing import Any

import pytest

from hvae.checkpoints.description import check_weights
from hvae.config.biva import BIVAConfig
from hvae.config.iafvae import IAFVAEConfig
from hvae.config.model import LadderConfig, LVAEConfig, ModelConfig
from hvae.config.nvae import NVAEConfig
from hvae.config.qresvae import QResVAEConfig
from hvae.config.vdvae import VDVAEConfig
from hvae.errors import HvaeError
from hvae.study import building

HUGE: dict[str, ModelConfig] = {
    "levels": LadderConfig(groups=(1000,) * 100),
    "blocks": LadderConfig(groups=(2, 2, 2), blocks=1000),
    "quantised": QResVAEConfig(groups=(1000, 1000), widths=(8, 8)),
    "cells": NVAEConfig(groups=(10, 5), encoder_cells=1000),
    "cells down": NVAEConfig(groups=(10, 5), decoder_cells=1000),
    "cells before": NVAEConfig(blocks=20, block_cells=1000),
    "flows": NVAEConfig(flows=1000),
    "stages": BIVAConfig(latents=(2,) * 6, blocks=1000),
    "flow blocks": IAFVAEConfig(blocks=(1000,) * 100),
    "published blocks": VDVAEConfig(encoder="8x1990,8d8,1x1", decoder="1x1,8m1,8x1990"),
}


@pytest.mark.parametrize("name", HUGE)
def test_what_is_far_too_deep_is_refused_by_its_counts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: Any, **__: Any) -> None:
        raise AssertionError("building began")

    monkeypatch.setattr("hvae.zoo.build", build)
    monkeypatch.setattr("hvae.checkpoints.description.build", build)
    with pytest.raises(HvaeError, match="many more layers than could be trained"):
        building.outline(HUGE[name], (1, 8, 8), 1)
    with pytest.raises(HvaeError, match="many more layers than there are tensors"):
        check_weights({}, HUGE[name], (1, 8, 8), 1, "here")


def test_what_its_counts_do_not_tell_is_refused_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_MOST_TENSORS", 60)
    assert building.parameters(building.outline(LadderConfig(groups=(1, 1), width=4), (1, 8, 8), 1))
    for config in (LadderConfig(groups=(2, 2), width=4), LVAEConfig(latents=(2,) * 9, widths=(2,) * 9)):
        with pytest.raises(HvaeError, match="many more layers than could be trained"):
            building.outline(config, (1, 8, 8), 1)
