"""The yardstick itself: is its posterior exact, is its log p(x) right?"""

from __future__ import annotations

import pytest
import torch
from linear_gaussian import BottomUpGaussian, LinearGaussian, TopDownGaussian

from hvae.draw import posterior, prior
from hvae.walk import run

WALKS = [(walk, depth) for walk in (TopDownGaussian, BottomUpGaussian) for depth in (1, 2, 3)]


@pytest.fixture(params=WALKS, ids=lambda p: f"{p[0].__name__}-{p[1]}")
def model(request: pytest.FixtureRequest) -> LinearGaussian:
    walk, depth = request.param
    return walk(depth)


def test_every_draw_of_the_exact_posterior_weighs_log_p(model: LinearGaussian) -> None:
    x = 2 * torch.randn(4, 5, dtype=torch.float64)
    log_weight = run(model, posterior, model.evidence(x).repeat(3)).log_weight().view(4, 3)
    torch.testing.assert_close(log_weight, model.log_evidence(x)[:, None].expand(4, 3))


def test_samples_have_the_covariance_of_the_density(model: LinearGaussian) -> None:
    x = run(model, prior(), n=40_000).x
    entropy = -model.log_evidence(x).mean()
    cov = torch.cov(x.T)
    by_covariance = 0.5 * (torch.linalg.slogdet(cov)[1] + 5 * (1 + torch.log(torch.tensor(2 * torch.pi))))
    torch.testing.assert_close(entropy, by_covariance, atol=0.02, rtol=0)
