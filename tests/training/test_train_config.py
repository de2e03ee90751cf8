from __future__ import annotations

import pytest

from hvae.config.train import TrainConfig
from hvae.errors import HvaeError


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": 0}, "train.steps: expected at least 1, got 0"),
        ({"batch": -4}, "train.batch: expected at least 1, got -4"),
        ({"lr": float("nan")}, "train.lr: expected a finite number, got nan"),
        ({"minutes": -1.0}, "train.minutes: expected at least 0"),
        ({"weight_decay": 1e30}, "train.weight_decay: expected at most 10000"),
        ({"weight_decay": 600.0, "lr": 2e-3}, "lr 0.002 and 600; expected at most 500"),
        ({"ema": 1.5}, "train.ema: expected at most 1, got 1.5"),
        ({"devices": 0}, "train.devices: expected at least 1"),
        ({"precision": "b16"}, "did you mean 'bf16'"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(HvaeError) as caught:
        TrainConfig(**changes)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
