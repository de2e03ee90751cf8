"""What the judges' networks can see: a finding in places of its own, and one in places where none was learnt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from hvae.metrics.convnet import ConvNet, anywhere, by_places

SIDE = 12
Array = np.ndarray[Any, Any]


def spots(rows: range, number: int, seed: int) -> tuple[Array, Array]:
    """Pictures of noise; every second one has a bright pixel in one of these rows: (N, D) and labels (N,)."""
    random = np.random.default_rng(seed)
    x = random.uniform(0, 0.3, (number, SIDE, SIDE)).astype(np.float32)
    y = np.arange(number) % 2
    ill = np.flatnonzero(y)
    x[ill, random.choice(rows, len(ill)), random.integers(1, SIDE - 1, len(ill))] = 1.0
    return x.reshape(number, -1), y


def test_only_a_network_over_all_places_knows_a_finding_where_it_has_never_seen_one() -> None:
    learnt, elsewhere = spots(range(1, 4), 400, 0), spots(range(8, 11), 200, 1)
    scores = [
        ConvNet(0, (1, SIDE, SIDE), steps=150, network=network).fit(*learnt).score(*elsewhere)
        for network in (by_places, anywhere)
    ]
    assert scores[1] > 0.95 > 0.8 > scores[0]


def test_a_picture_is_judged_alike_alone_and_among_others() -> None:
    """Normalisation is by running means once the network has learnt, not by the batch at hand."""
    x, y = spots(range(1, 11), 100, 0)
    judge = ConvNet(0, (1, SIDE, SIDE), steps=20, network=anywhere).fit(x, y)
    together = judge.predict_proba(x[:5])
    assert together == pytest.approx(np.concatenate([judge.predict_proba(x[i : i + 1]) for i in range(5)]), abs=1e-5)


@pytest.mark.parametrize("network", [by_places, anywhere])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7)])
def test_networks_take_pictures_of_any_shape(network: Any, shape: tuple[int, int, int]) -> None:
    assert network(shape, 3).eval()(torch.rand(2, *shape)).shape == (2, 3)
