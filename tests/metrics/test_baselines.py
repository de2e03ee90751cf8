"""Autoregressions whose rest jumps, against what made the series."""

from __future__ import annotations

import math

import torch
from scipy import stats

from hvae.metrics.baselines import Steps, autoregression, jumping


def series(n: int, seed: int) -> tuple[Steps, float]:
    """x_t = 1.6 x_{t-1} - 0.7 x_{t-2} + 0.3 e, e of Student's t with 3 degrees; and the nats a step of e itself."""
    e = 0.3 * torch.from_numpy(stats.t(3).rvs(n, random_state=seed))
    steps = [e[0], e[1]]
    for t in range(2, n):
        steps.append(1.6 * steps[-1] - 0.7 * steps[-2] + e[t])
    nats = -stats.t(3, scale=0.3).logpdf(e.numpy()).mean()
    return Steps(torch.stack(steps)[:, None], torch.tensor([n])), float(nats)


def test_a_rest_that_jumps_is_scored_as_it_was_drawn() -> None:
    (train, _), (test, expected) = series(4000, 0), series(4000, 1)
    nats = float(jumping(train, test)) / 4000
    assert abs(nats - expected) < 0.02
    assert nats < float(autoregression(train, test)) / 4000 - 0.1


def test_numbers_that_never_move_cost_a_finite_amount() -> None:
    still = Steps(torch.zeros(50, 2), torch.tensor([30, 20]))
    assert all(math.isfinite(nats) for nats in jumping(still, still).tolist())
