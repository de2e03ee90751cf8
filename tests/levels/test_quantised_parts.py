"""Parts of a level whose latent is rounded."""

from __future__ import annotations

import torch
from torch import nn

from hvae.distributions.quantised import BlurredNormal, Uniform
from hvae.levels import LearnedPrior
from hvae.levels.quantised import LEAST, Blurred, Noisy
from hvae.levels.scale import variance


def test_scales_never_fall_below_the_least() -> None:
    prior = Blurred(LearnedPrior(nn.Identity(), variance("softclamp")))
    h = torch.full((1, 4, 1, 1), -50.0)
    p, state = prior(h)
    assert isinstance(p, BlurredNormal) and state is h
    assert (p.scale >= LEAST).all() and (p.scale < LEAST + 0.01).all() and p.width == 1.0


def test_the_posterior_is_one_bin_around_a_network_of_both_sides() -> None:
    q = Noisy(nn.Identity())(torch.ones(2, 3), torch.zeros(2, 1), BlurredNormal(torch.zeros(2, 4), torch.ones(2, 4)))
    assert isinstance(q, Uniform) and q.width == 1.0
    assert q.loc.tolist() == [[1.0, 1.0, 1.0, 0.0]] * 2
