from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

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


def kernel(order: torch.memory_format) -> nn.Parameter:
    torch.manual_seed(0)
    return nn.Parameter(torch.randn(6, 5, 3, 3).contiguous(memory_format=order))


def after(steps: int, weight: nn.Parameter, made: torch.optim.Optimizer) -> torch.Tensor:
    for step in range(steps):
        torch.manual_seed(step)
        gradient = torch.randn(6, 5, 3, 3)
        weight.grad = torch.empty_like(weight).copy_(gradient)
        made.step()
    return weight.detach()


@pytest.mark.parametrize("name", ["adamw", "adam"])
def test_the_order_in_memory_changes_no_step(name: str) -> None:
    config = TrainConfig(optimiser=name, lr=0.05, weight_decay=0.01)
    plain, last = kernel(torch.contiguous_format), kernel(torch.channels_last)
    outcome = [after(5, weight, optimiser(config, [weight])) for weight in (plain, last)]
    torch.testing.assert_close(outcome[1], outcome[0])
    assert last.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ["adamw", "adam"])
def test_moments_that_lie_otherwise_go_to_their_own_numbers(name: str) -> None:
    config = TrainConfig(optimiser=name, lr=0.05, weight_decay=0.01)
    plain, last = kernel(torch.contiguous_format), kernel(torch.channels_last)
    first, second = optimiser(config, [plain]), optimiser(config, [last])
    after(3, plain, first)
    last.data.copy_(plain)
    second.load_state_dict(deepcopy(first.state_dict()))
    torch.testing.assert_close(after(3, last, second), after(3, plain, first))


def test_a_step_without_gradients_changes_nothing() -> None:
    weight = kernel(torch.channels_last)
    before = weight.detach().clone()
    optimiser(TrainConfig(optimiser="adam"), [weight]).step()
    assert weight.detach().equal(before)


@pytest.mark.parametrize(("name", "theirs"), [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam)])
def test_steps_are_those_of_pytorch_whatever_weights_have_gradients(
    name: str, theirs: Callable[..., torch.optim.Optimizer]
) -> None:
    settings: dict[str, Any] = {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.01}
    torch.manual_seed(1)
    start = [torch.randn(3), torch.randn(4, 2), torch.randn(2, 3, 2, 2).contiguous(memory_format=torch.channels_last)]
    ours, other = [[nn.Parameter(t.clone()) for t in start] for _ in range(2)]
    one, two = optimiser(TrainConfig(optimiser=name, **settings), ours), theirs(other, fused=True, **settings)
    for missing in (None, None, 1, 2, 1, None):
        for number, (a, b) in enumerate(zip(ours, other, strict=True)):
            gradient = torch.randn_like(a)
            a.grad, b.grad = (None, None) if number == missing else (gradient, gradient.clone())
        one.step()
        two.step()
        one = deepcopy_of(one, ours) if missing == 2 else one
    for a, b in zip(ours, other, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert [float(one.state[w]["step"]) for w in ours] == [6, 4, 5]


def deepcopy_of(made: torch.optim.Optimizer, weights: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Another one with the same state, as after a restart."""
    (group,) = made.param_groups
    keys = ("lr", "betas", "eps", "weight_decay")
    kind: Any = type(made)
    again: torch.optim.Optimizer = kind(weights, fused=True, **{key: group[key] for key in keys})
    again.load_state_dict(deepcopy(made.state_dict()))
    return again
