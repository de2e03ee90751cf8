"""Restoration against closed forms: linear-Gaussian models, whose conditionals are known.

Shapes: `X` data; `D` latent coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from linear_gaussian import BottomUpGaussian, LinearGaussian, S, TopDownGaussian
from torch import Tensor

from hvae.draw import prior
from hvae.restoration import Gibbs, Linear, Metropolis, Noisy, OwnNoise, Refine, Seen, Way, held_out, restore
from hvae.walk import run, still

KNOWN = torch.tensor([True, False, True, True, False])


def joint(model: LinearGaussian) -> Tensor:
    """The covariance of x, (X, X)."""
    w = model.weight().detach()
    return (w * model.variances()["z1"].detach()) @ w.T + S**2 * torch.eye(len(w), dtype=w.dtype)


def conditional(cov: Tensor, a: Tensor, noise: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of x given y = a x + noise."""
    gain = cov @ a.T @ torch.linalg.inv(a @ cov @ a.T + noise)
    return gain @ y, cov - gain @ a @ cov


def hidden(model: LinearGaussian, x: Tensor) -> tuple[Tensor, Tensor]:
    a = torch.eye(5, dtype=torch.float64)[KNOWN]
    mean, cov = conditional(joint(model), a, torch.zeros(3, 3, dtype=torch.float64), x[KNOWN])
    return mean[~KNOWN], cov[~KNOWN][:, ~KNOWN]


@pytest.fixture
def x() -> Tensor:
    return 2 * torch.randn(5, generator=torch.Generator().manual_seed(8), dtype=torch.float64)


def many(x: Tensor, n: int) -> Seen:
    return Seen(x.expand(n, 5), KNOWN.expand(n, 5))


@pytest.mark.parametrize("walk", [TopDownGaussian, BottomUpGaussian])
def test_gibbs_with_the_exact_posterior_draws_from_the_conditional(walk: type[LinearGaussian], x: Tensor) -> None:
    model = walk(2)
    found = restore(model, many(x, 20_000), Gibbs(sweeps=25), draws=1, pixels=True, seed=1).draws[:, 0]
    mean, cov = hidden(model, x)
    assert torch.equal(found[:, KNOWN], x[KNOWN].expand(20_000, 3))
    torch.testing.assert_close(found[:, ~KNOWN].mean(0), mean, atol=0.03, rtol=0)
    torch.testing.assert_close(torch.cov(found[:, ~KNOWN].T), cov, atol=0.03, rtol=0)


def test_metropolis_needs_no_exact_posterior_and_gibbs_does(x: Tensor) -> None:
    model = TopDownGaussian(2).loosened(shift=0.4, spread=0.2)
    mean, cov = hidden(model, x)

    def error(way: Way) -> float:
        found = restore(model, many(x, 20_000), way, draws=1, pixels=True, seed=1).draws[:, 0, ~KNOWN]
        return float((found.mean(0) - mean).abs().max() + (torch.cov(found.T) - cov).abs().max())

    assert error(Metropolis(sweeps=60)) < 0.06 < 0.2 < error(Gibbs(sweeps=60))


@dataclass(frozen=True, eq=False)
class Sums(Linear):
    """The sums of the first two values and of the next two."""

    a = torch.tensor([[1.0, 1, 0, 0, 0], [0, 0, 1, 1, 0]], dtype=torch.float64)

    def start(self) -> Tensor:
        return self.back(self.y) / 2

    def seen(self, x: Tensor) -> Tensor:
        return x @ self.a.T

    def noise(self, v: Tensor) -> Tensor:
        return v @ self.a.T

    def back(self, y: Tensor) -> Tensor:
        return y @ self.a


@pytest.mark.parametrize("walk", [TopDownGaussian, BottomUpGaussian])
@pytest.mark.parametrize("kind", ["seen", "noisy", "sums"])
def test_refinement_finds_the_mean_of_the_conditional(walk: type[LinearGaussian], kind: str, x: Tensor) -> None:
    model, eye = walk(2).loosened(), torch.eye(5, dtype=torch.float64)
    a, observed = {
        "seen": (eye[KNOWN], many(x, 64)),
        "noisy": (eye, Noisy(x.expand(64, 5), 0.4)),
        "sums": (Sums.a, Sums((Sums.a @ x).expand(64, 2), 0.4)),
    }[kind]
    noise = (0.0 if kind == "seen" else 0.16) * torch.eye(len(a), dtype=torch.float64)
    mean, _ = conditional(joint(model), a, noise, a @ x)
    # 64 refinements of the same datum: each is moved by noise of its own, which their mean is not.
    found = restore(model, observed, Refine(steps=250, rate=0.1), draws=100, seed=0).mean.mean(0)
    torch.testing.assert_close(found, mean, atol=0.02, rtol=0)


@pytest.mark.parametrize("walk", [TopDownGaussian, BottomUpGaussian])
@pytest.mark.parametrize("depth", [1, 3])
def test_draws_under_own_noise_are_the_posterior_of_the_signal(
    walk: type[LinearGaussian], depth: int, x: Tensor
) -> None:
    """s = W z, x = s + S eps:  s given x ~ N(C (C + S^2)^-1 x, C - C (C + S^2)^-1 C) with C the covariance of s."""
    model = walk(depth)
    noise = S**2 * torch.eye(5, dtype=torch.float64)
    mean, cov = conditional(joint(model) - noise, torch.eye(5, dtype=torch.float64), noise, x)
    way = Refine(steps=0, settle=0)
    draws = restore(model, OwnNoise(x.expand(200, 5)), way, draws=200, seed=2).draws.flatten(0, 1)
    torch.testing.assert_close(draws.mean(0), mean, atol=0.01, rtol=0)
    torch.testing.assert_close(torch.cov(draws.T), cov, atol=0.01, rtol=0)
    assert float((mean - x).norm()) > 0.1


@pytest.mark.parametrize(
    "way", [Gibbs(sweeps=3), Metropolis(sweeps=3), Refine(steps=3)], ids=lambda w: type(w).__name__
)
def test_everything_observed_is_no_mask(way: Way) -> None:
    x = torch.randn(6, 5, dtype=torch.float64)
    restored = restore(TopDownGaussian(2), Seen(x, torch.ones_like(x).bool()), way, draws=3, pixels=True)
    assert torch.equal(restored.draws, x[:, None].expand(6, 3, 5)) and torch.equal(restored.best, x)
    assert float(restored.deviation.abs().max()) < 1e-12


# The posterior of a chain's state is narrower than that of what is seen: as a proposal it has weights of a long tail.
@pytest.mark.parametrize(
    ("way", "off", "drawn"), [(Gibbs(sweeps=10), 0.6, 0.25), (Refine(steps=150), 0.2, 0.8)], ids=["gibbs", "refine"]
)
def test_held_out_values_are_as_probable_as_they_are(way: Way, off: float, drawn: float) -> None:
    model = TopDownGaussian(2)
    with still(model, seed=3):
        x = run(model, prior(), n=5).x
    seen = KNOWN.expand(5, 5)
    found = held_out(model, x, seen, way, draws=400)
    cov = joint(model)[KNOWN][:, KNOWN]
    law = torch.distributions.MultivariateNormal(torch.zeros(3, dtype=torch.float64), cov)
    part = law.log_prob(x[:, KNOWN])
    expected = model.log_evidence(x).detach() - part
    torch.testing.assert_close(found.seen, part, atol=off, rtol=0)
    for estimate in (found.weighted, found.difference):
        torch.testing.assert_close(estimate, expected, atol=2 * off, rtol=0)
    # A refined posterior is too narrow, so what it draws as it is misses more.
    torch.testing.assert_close(found.predicted, expected, atol=drawn, rtol=0)


def test_chains_that_accept_have_no_importance_weights() -> None:
    x = torch.randn(2, 5, dtype=torch.float64)
    score = held_out(TopDownGaussian(2), x, KNOWN.expand(2, 5), Metropolis(sweeps=2), draws=3)
    assert bool(score.values.isfinite().all()) and bool(score.seen.isnan().all() and score.difference.isnan().all())
