from __future__ import annotations

from itertools import product

import torch

from hvae.training.seeds import seed_posterior, seed_valid


def drawn(seed: int, step: int, shard: int) -> tuple[float, ...]:
    seed_posterior(seed, step, shard)
    return tuple(torch.randn(4).tolist())


def test_noise_is_a_function_of_its_three_numbers() -> None:
    keys = list(product(range(3), repeat=3))
    first = {key: drawn(*key) for key in keys}
    assert len(set(first.values())) == len(keys), "neither sums nor swaps of the numbers may coincide"
    assert {key: drawn(*key) for key in reversed(keys)} == first


def test_validation_noise_is_common_to_all_steps_and_apart_from_training() -> None:
    inner = torch.randn(4, generator=seed_valid(0, 5))
    outer = torch.randn(4)
    assert torch.equal(inner, torch.randn(4, generator=seed_valid(0, 5)))
    assert torch.equal(outer, torch.randn(4))
    assert not torch.equal(inner, outer)
    assert tuple(outer.tolist()) != drawn(0, 5, 0)
