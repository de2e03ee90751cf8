from __future__ import annotations

import pytest
import torch
from torch import nn

from hvae.config.train import TrainConfig
from hvae.errors import HvaeError
from hvae.training.optimisers import optimiser

NAMES = ["adamw", "adam", "adamax", "lamb"]


@pytest.mark.parametrize("name", NAMES)
def test_each_descends_and_has_the_settings(name: str) -> None:
    w = nn.Parameter(torch.tensor([3.0, -2.0]))
    frozen = nn.Parameter(torch.ones(1), requires_grad=False)
    config = TrainConfig(optimiser=name, lr=0.05, betas=(0.8, 0.9), eps=1e-5, weight_decay=0.01)
    made = optimiser(config, [w, frozen])
    (group,) = made.param_groups
    assert [id(p) for p in group["params"]] == [id(w)]
    assert (group["betas"], group["eps"], group["weight_decay"]) == ((0.8, 0.9), 1e-5, 0.01)
    for _ in range(100):
        made.zero_grad()
        (w**2).sum().backward()
        made.step()
    assert (w**2).sum() < 1.0


def test_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(HvaeError, match="did you mean 'adamax'"):
        TrainConfig(optimiser="adamaxx")
