"""Restoration by a diffusion, against closed forms: data of two correlated Gaussian numbers, whose denoiser is known.

Shapes: `n` rows; the data are (n, 1, 1, 2).
"""

from __future__ import annotations

import pytest
import torch
from families import family
from torch import Tensor, nn

from hvae.errors import HvaeError
from hvae.models.conditioning import Unconditional
from hvae.models.diffusion import GUESSES, Diffusion
from hvae.nn.noise import FixedLinear
from hvae.restoration import Diffuse, Noisy, Seen, Shrunk, restore

LOW, HIGH, VALUES = -11.0, 5.0, 1 << 12
SPREAD, TOGETHER = 0.25, 0.8
COVARIANCE = SPREAD**2 * torch.tensor([[1.0, TOGETHER], [TOGETHER, 1.0]], dtype=torch.float64)


class Exact(nn.Module):
    """E[x given z_t] of data that are N(0, COVARIANCE), less z_t."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing, self.level = nn.Parameter(torch.zeros(0, dtype=torch.float64)), nn.Identity()

    def forward(self, z: Tensor, level: Tensor) -> Tensor:
        gamma = LOW + (HIGH - LOW) * level[0]
        share, noise = torch.sigmoid(-gamma), torch.sigmoid(gamma)
        whole = share * COVARIANCE + noise * torch.eye(2, dtype=torch.float64)
        guess: Tensor = share.sqrt() * z @ torch.linalg.solve(whole, COVARIANCE)
        return guess - z


def exact(steps: int) -> Diffusion:
    return Diffusion(
        (1, 1, 2),
        values=VALUES,
        steps=steps,
        walked=100,
        visited=1,
        schedule=FixedLinear(LOW, HIGH),
        network=Exact(),
        guess=GUESSES["x0"],
        ends=(LOW, HIGH),
        condition=Unconditional(),
    )


def centred(x: Tensor) -> Tensor:
    return 2 * x - 1


@pytest.mark.parametrize("steps", [100, 1000, 0])
def test_noise_is_taken_out_as_bayes_rule_says(steps: int) -> None:
    """E[x | y] = C (C + s^2)^-1 y, and the covariance C - C (C + s^2)^-1 C."""
    y, noise = torch.tensor([0.6, 0.55], dtype=torch.float64), 0.1
    found = centred(restore(exact(steps), Noisy(y.expand(20_000, 1, 1, 2), noise), Diffuse(), draws=1, seed=1).draws)
    gain = COVARIANCE @ torch.linalg.inv(COVARIANCE + (2 * noise) ** 2 * torch.eye(2, dtype=torch.float64))
    torch.testing.assert_close(found.flatten(0, 3).mean(0), gain @ centred(y), atol=0.01, rtol=0)
    torch.testing.assert_close(torch.cov(found.flatten(0, 3).T), COVARIANCE - gain @ COVARIANCE, atol=2e-3, rtol=0)


def filled(sweeps: int) -> Tensor:
    """The second number given the first, 0.3, centred."""
    x = torch.tensor([0.65, 0.0], dtype=torch.float64).expand(20_000, 1, 1, 2)
    seen = torch.tensor([True, False]).expand_as(x)
    found = restore(exact(100), Seen(x, seen), Diffuse(sweeps=sweeps), draws=1, pixels=True, seed=1).draws
    assert bool((found[..., 0] == 0.65).all())
    return centred(found[..., 1].flatten())


def test_gaps_are_filled_as_their_neighbours_say_and_better_after_several_sweeps() -> None:
    """x_2 | x_1 ~ N(0.8 x_1, (1 - 0.8^2) SPREAD^2); one sweep draws at each level without looking below."""
    mean, deviation = TOGETHER * 0.3, SPREAD * (1 - TOGETHER**2) ** 0.5
    once, often = filled(1), filled(10)
    assert 0.5 * mean < once.mean() < 0.7 * mean and once.std() > 1.15 * deviation
    assert 0.85 * mean < often.mean() < mean and abs(often.std() / deviation - 1) < 0.05


def test_more_noise_than_the_top_is_refused() -> None:
    y = torch.rand(2, 1, 1, 2, dtype=torch.float64)
    with pytest.raises(HvaeError, match="expected noise of at most 6.09, that of the top of this diffusion, got 7"):
        restore(exact(100), Noisy(y, 7.0), Diffuse(), seed=1)


def test_other_families_and_other_tasks_are_refused() -> None:
    x = torch.rand(2, 1, 6, 5)
    with pytest.raises(HvaeError, match="is for diffusions"):
        restore(family("ladder-residual"), Seen(x, x > 0.5), Diffuse(), seed=1)
    with pytest.raises(HvaeError, match="enlarge and colour with another family"):
        restore(exact(10), Shrunk(torch.rand(2, 1, 1, 1, dtype=torch.float64), 0.01, 2), Diffuse(), seed=1)
