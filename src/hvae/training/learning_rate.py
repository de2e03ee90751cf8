"""The learning rate: a pure function of the step, so that nothing of it needs saving."""

from __future__ import annotations

import math

from torch import Tensor

from hvae.config.train import TrainConfig


def learning_rate(config: TrainConfig, step: int) -> float:
    r"""The learning rate of step 0, 1, ..., steps - 1: linear warm-up, then constant or half a cosine.

    $$\eta_s = \eta \min\Big(1, \frac{s+1}{w}\Big), \qquad
      \eta_s = \eta\Big(f + (1-f)\,\tfrac12\big(1+\cos\pi\tfrac{s-w}{S-w}\big)\Big)\quad\text{for } s \ge w$$

    Loshchilov and Hutter 2017, arXiv 1608.03983, equation 5, without restarts.

    >>> config = TrainConfig(steps=110, warmup=10, lr=1.0, floor=0.1)
    >>> [round(learning_rate(config, s), 3) for s in (0, 9, 10, 60, 110)]
    [0.1, 1.0, 1.0, 0.55, 0.1]
    """
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    if config.schedule == "constant":
        return config.lr
    done = min(1.0, (step - config.warmup) / max(1, config.steps - config.warmup))
    return config.lr * (config.floor + (1 - config.floor) * 0.5 * (1 + math.cos(math.pi * done)))


def by_length(power: float, batch: Tensor, every: Tensor) -> float:
    r"""The factor of the learning rate of a `batch` of sequences among `every`, of so many steps each, (B,) and (N,).

    $$\Big(\frac{\overline T_B}{\overline T_N}\Big)^p$$

    With p = 1 Merity et al. 2018, arXiv 1708.02182, sec. 4.1: at one rate short sequences weigh too much, since the
    steps of Adam are as long as those of long ones.

    >>> import torch
    >>> by_length(1.0, torch.tensor([20, 40]), torch.tensor([20, 40, 120]))
    0.5
    """
    return float(batch.double().mean() / every.double().mean()) ** power
