"""What is asked of a model before anything of it is built."""

from __future__ import annotations

import pytest

from hvae.config.model import LadderConfig
from hvae.errors import HvaeError
from hvae.study import building


def test_a_configuration_of_millions_of_layers_is_refused_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_MOST_TENSORS", 300)
    assert building.parameters(building.outline(LadderConfig(groups=(1, 1), width=4), (1, 8, 8), 1))
    with pytest.raises(HvaeError, match="many more layers than could be trained"):
        building.outline(LadderConfig(groups=(1000,) * 100, blocks=1000, width=4), (1, 8, 8), 1)
