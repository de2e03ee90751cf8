from __future__ import annotations

from copy import deepcopy

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
