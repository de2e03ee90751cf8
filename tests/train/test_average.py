from __future__ import annotations

import torch
from torch import nn

from hvae.train.average import Average


def layer() -> nn.Module:
    return nn.BatchNorm1d(3)


def test_average_by_hand() -> None:
    model = layer()
    average = Average(model, decay=0.25)
    model.weight.data.fill_(3.0)
    expected = 1.0
    for n in range(4):
        average.update()
        decay = min(0.25, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * 3.0
        assert torch.allclose(average.model.weight, torch.tensor(expected))


def test_buffers_are_copied_and_nothing_asks_for_gradients() -> None:
    model = layer()
    average = Average(model, decay=0.9)
    model.running_mean.fill_(5.0)
    average.update()
    assert torch.equal(average.model.running_mean, torch.full((3,), 5.0))
    assert not average.model.training
    assert not any(w.requires_grad for w in average.model.parameters())
    assert all(w.requires_grad for w in model.parameters())


def test_without_decay_it_is_the_model() -> None:
    model = layer()
    average = Average(model, decay=0.0)
    for value in (2.0, -1.0):
        model.weight.data.fill_(value)
        average.update()
        assert torch.equal(average.model.weight, model.weight)
