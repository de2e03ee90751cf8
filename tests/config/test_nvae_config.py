"""What NVAE can be told, and the published runs."""

from __future__ import annotations

import pytest

from hvae.config import NVAEConfig, RunConfig, preset
from hvae.config.nvae import CELEBA64, CIFAR10, FACES256, IMAGENET32, MNIST, halving
from hvae.errors import HvaeError


def test_levels_of_the_published_sizes() -> None:
    sizes = (MNIST, CIFAR10, CELEBA64, IMAGENET32, FACES256)
    assert [size.levels for size in sizes] == [15, 30, 35, 28, 36]
    assert [size.factor for size in sizes] == [8, 2, 8, 2, 32]
    assert halving(3, 3) == (3, 1, 1)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"groups": ()}, "model.groups: expected 1 to 20 entries, got none"),
        ({"groups": (2, 0)}, r"model.groups\[1\]: expected at least 1, got 0"),
        ({"groups": (1,)}, "at least two levels in all"),
        ({"flows": -1}, "model.flows: expected at least 0"),
        ({"latent": 0}, "model.latent: expected at least 1"),
        ({"variance": "softplus"}, "softclamp by definition"),
    ],
)
def test_impossible_models(values: dict[str, object], line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        NVAEConfig(**values)  # type: ignore[arg-type]


def test_it_is_a_family() -> None:
    config = RunConfig(model=NVAEConfig(groups=(3, 2), flows=1, likelihood="dmol-nvae"))
    assert RunConfig.from_yaml(config.to_yaml()) == config
    assert RunConfig().override({"model.family": "nvae", "model.groups": "4,2"}).model == NVAEConfig(groups=(4, 2))


def test_published_hyper_parameters() -> None:
    run = preset("nvae-cifar10")
    train, objective = run.train, run.objective
    assert (train.optimiser, train.lr, train.lr * train.floor, train.eps) == ("adamax", 1e-2, pytest.approx(1e-4), 1e-3)
    assert (train.weight_decay, train.batch, train.steps, train.warmup) == (3e-4, 256, 400 * 195, 5 * 195)
    assert (train.ema, train.skip_factor, train.clip) == (0.0, 0.0, 0.0)
    assert objective.balance and objective.warmup.length == pytest.approx(0.3 * train.steps)
    assert (objective.regulariser.weight, objective.regulariser.start) == (1e-2, 0.0)
    assert preset("nvae-faces256").objective.regulariser.start == 1.0
    assert preset("nvae-celeba64").objective.regulariser.weight == 0.1
