from __future__ import annotations

import csv
import math
from pathlib import Path

import torch

import hvae
from hvae.config.model import LVAEConfig
from hvae.data import ImageData, load
from hvae.study.watch import watching
from hvae.walk import Model


def digits() -> tuple[Model, ImageData]:
    data = load(hvae.preset("digits", {}).data)
    torch.manual_seed(0)
    config = LVAEConfig(latents=(4, 2), widths=(16, 16), likelihood="logistic-pixel")
    return hvae.build(config, shape=data.shape, bits=data.bits), data


def test_a_training_tells_the_use_of_each_level_at_each_validation(run: Path) -> None:
    with open(run / "metrics.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["valid/elbo"]]
    levels = [key.removeprefix("valid/used/") for key in rows[0] if key.startswith("valid/used/")]
    assert levels and rows
    for row in rows:
        assert all(0 <= float(row[f"valid/used/{name}"]) <= 1 for name in levels)
        assert all(math.isfinite(float(row[f"valid/information/{name}"])) for name in levels)


def test_each_validation_looks_at_the_same_data_and_draws() -> None:
    model, data = digits()
    watch = watching(data.valid, 0, 32)
    assert watch is not None
    row = watch(model, 1)
    # An untrained posterior says little, and 16 data tell that little with an error of about 0.3 nats.
    assert row["valid/used/z1"] > 0.5 and abs(row["valid/information/z1"]) < 1.5
    assert watch(model, 2) == row, "the same data and draws at each validation"


def test_nothing_is_watched_without_data_to_tell_apart() -> None:
    _, data = digits()
    assert watching(data.valid.some(range(1)), 0, 32) is None


def test_watching_leaves_the_draws_of_the_training_alone() -> None:
    model, data = digits()
    watch = watching(data.valid, 0, 32)
    assert watch is not None
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    watch(model.train(), 1)
    assert torch.equal(torch.rand(3), expected) and model.training
