from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from toy_training import train

from hvae import build
from hvae.config import DataConfig, RunConfig
from hvae.config.sequences import VRNNConfig
from hvae.config.train import TrainConfig
from hvae.data.sequences.split import SequenceSplit
from hvae.errors import HvaeError
from hvae.objectives import ELBO
from hvae.training import fit
from hvae.training.learning_rate import learning_rate


def test_warm_up_joins_the_cosine_and_ends_at_the_floor() -> None:
    config = TrainConfig(steps=1000, warmup=100, lr=2.0, floor=0.05)
    curve = [learning_rate(config, s) for s in range(1001)]
    assert curve[0] == pytest.approx(0.02)
    assert curve[99] == curve[100] == 2.0
    assert curve[550] == pytest.approx(0.5 * (2.0 + 0.1))
    assert curve[1000] == pytest.approx(0.1)
    assert all(a <= b for a, b in pairwise(curve[:100]))
    assert all(a >= b for a, b in pairwise(curve[100:]))


def test_constant_stays_after_the_warm_up() -> None:
    config = TrainConfig(steps=50, warmup=4, schedule="constant")
    assert {learning_rate(config, s) for s in range(3, 60)} == {config.lr}


@pytest.mark.parametrize(("warmup", "steps"), [(0, 1), (0, 10), (10, 10), (20, 10)])
def test_odd_lengths_stay_between_zero_and_the_largest(warmup: int, steps: int) -> None:
    config = TrainConfig(steps=steps, warmup=warmup)
    assert all(0 < learning_rate(config, s) <= config.lr for s in range(steps))


def test_a_batch_of_short_sequences_takes_a_short_step(tmp_path: Path) -> None:
    """Each batch is of one length, 2 or 6: the mean of all is 4."""
    lengths = torch.tensor([2, 2, 6, 6])
    split = SequenceSplit(
        store=torch.zeros(16, 3), starts=lengths.cumsum(0) - lengths, lengths=lengths, unit=1.0, bucket=2
    )
    model = build(VRNNConfig(latent=2, state=4, width=4), shape=(4, 3), bits=1)
    rates: dict[float, set[float]] = {}
    for power in (0.0, 1.0, 2.0):
        settings = {"steps": 6, "batch": 2, "lr": 0.01, "warmup": 0, "schedule": "constant", "log_every": 1}
        config = TrainConfig(**settings, lr_length=power, valid_every=0, accelerator="cpu", devices=1)
        fit(model, ELBO(), split, config, tmp_path / str(power))
        head, *rows = (tmp_path / str(power) / "metrics.csv").read_text().splitlines()
        at = head.split(",").index("lr")
        rates[power] = {round(float(row.split(",")[at]), 8) for row in rows}
    assert rates == {0.0: {0.01}, 1.0: {0.005, 0.015}, 2.0: {0.0025, 0.0225}}


def test_pictures_have_no_length(tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match="these data are none"):
        train(tmp_path / "run", lr_length=1.0)
    with pytest.raises(HvaeError, match=r"data\.name is digits; leave it out"):
        RunConfig(data=DataConfig(name="digits"), train=TrainConfig(lr_length=1.0))
