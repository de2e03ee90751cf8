from __future__ import annotations

import torch
from torch import nn

from hvae.training.average import Average


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


def test_statistics_are_averaged_and_counters_copied() -> None:
    model = layer()
    average = Average(model, decay=0.9)
    model.running_mean.fill_(5.0)
    model.num_batches_tracked.fill_(7)
    average.update()
    torch.testing.assert_close(average.model.running_mean, torch.full((3,), 4.5))  # the first decay is 1/10
    assert average.model.num_batches_tracked == 7


def test_nothing_asks_for_gradients() -> None:
    model = layer()
    average = Average(model, decay=0.9)
    assert not average.model.training
    assert not any(w.requires_grad for w in average.model.parameters())
    assert all(w.requires_grad for w in model.parameters())


def test_spoilt_statistics_are_mended_and_sound_ones_kept() -> None:
    model = layer()
    average = Average(model, decay=0.9)
    model(torch.tensor([[1.0, float("nan"), 2.0], [0.0, 1.0, 3.0]]))
    sound = model.running_mean[0].clone()
    average.mend()
    assert model.running_mean.isfinite().all() and model.running_var.isfinite().all()
    assert model.running_mean[0] == sound and model.running_mean[1] == 0.0


def test_without_decay_it_is_the_model() -> None:
    model = layer()
    average = Average(model, decay=0.0)
    for value in (2.0, -1.0):
        model.weight.data.fill_(value)
        average.update()
        assert torch.equal(average.model.weight, model.weight)
