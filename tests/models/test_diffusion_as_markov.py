"""The text's view of a diffusion: a Markov chain of VAEs whose encoder is frozen noise, by the walk of `markov`."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from hvae import build, given, posterior, run
from hvae.config import VDMConfig
from hvae.datum import Datum
from hvae.distributions import Denoising, GridGaussian, Normal
from hvae.distributions.denoising import alpha, noised, sigma
from hvae.models.conditioning import Entry, Unconditional
from hvae.models.diffusion import Diffusion
from hvae.models.markov import Markov

SHAPE, STEPS, VALUES = (1, 6, 5), 5, 8


def raw(law: Normal) -> Tensor:
    """What a network would have to say of a Gaussian whose scale is the exponential of a number."""
    return torch.cat([law.loc, law.scale.log().expand_as(law.loc)], 1)


class Noise(nn.Module):
    """q(z_t | z_{t-1}): a share of what is below, and noise up to variance sigma_t^2; of data q(z_0 | x)."""

    def __init__(self, model: Diffusion, gamma: Tensor, below: Tensor | None) -> None:
        super().__init__()
        self.features, self.gamma, self.below = model.features, gamma, below

    def forward(self, value: Tensor) -> Tensor:
        if self.below is None:
            return raw(noised(self.features(Datum(value))["x"], self.gamma))
        ratio = alpha(self.gamma) / alpha(self.below)
        scale = (sigma(self.gamma) ** 2 - ratio**2 * sigma(self.below) ** 2).sqrt()
        return raw(Normal(ratio * value, scale.expand_as(value)))


class Step(nn.Module):
    """p(z_{t-1} | z_t) by the one denoiser."""

    def __init__(self, model: Diffusion, far: Tensor, near: Tensor) -> None:
        super().__init__()
        self.model, self.far, self.near = model, far, near

    def forward(self, z: Tensor) -> Tensor:
        guess = self.model.denoised(z, self.far, Entry(lambda site: site.value))
        return raw(Denoising(z, guess, self.far, self.near))


class Grid(nn.Module):
    """p(x | z_0)."""

    def __init__(self, gamma: Tensor) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(self, z: Tensor) -> GridGaussian:
        return GridGaussian(z / alpha(self.gamma), (0.5 * self.gamma).exp(), VALUES)


def diffusion() -> Diffusion:
    torch.manual_seed(0)
    model = build(VDMConfig(steps=STEPS, widths=(4, 6), blocks=1, gamma_min=-6.0, gamma_max=3.0), SHAPE, bits=3)
    for weight in model.parameters():
        if not weight.any():
            nn.init.normal_(weight, std=0.1)
    assert isinstance(model, Diffusion)
    return model.double().eval()


def chain(model: Diffusion) -> Markov:
    gammas = model.schedule(torch.arange(STEPS + 1).double() / STEPS).detach()
    names = [f"z{level}" for level in range(1, STEPS + 2)]
    below: list[Tensor | None] = [None, *gammas]
    return Markov(
        SHAPE,
        inference={name: Noise(model, gamma, under) for name, gamma, under in zip(names, gammas, below, strict=False)},
        generation={name: Step(model, far, near) for name, (near, far) in zip(names, pairwise(gammas), strict=False)},
        top=SHAPE,
        leave=nn.Identity(),
        head=Grid(gammas[0]),  # type: ignore[arg-type]
        positive=torch.exp,
        condition=Unconditional(),
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_the_walk_of_a_markov_chain_with_a_frozen_encoder_has_the_same_weights(seed: int) -> None:
    model = diffusion()
    x = torch.randint(0, VALUES, (4, *SHAPE), dtype=torch.float64) / (VALUES - 1)
    upwards = chain(model)
    torch.manual_seed(seed)
    trace = run(upwards, posterior, upwards.evidence(x))
    values = {record.name: record.value for record in trace.latents}
    again = run(model, given(values), model.evidence(x))
    assert [record.name for record in again.latents] == [f"z{level}" for level in range(STEPS + 1, 0, -1)]
    torch.testing.assert_close(trace.log_weight(), again.log_weight(), rtol=0, atol=1e-11)
    torch.testing.assert_close(trace.log_likelihood(), again.log_likelihood(), rtol=1e-12, atol=1e-12)


def test_both_walks_have_one_bound_though_one_knows_no_divergence_in_closed_form() -> None:
    model = diffusion()
    x = (torch.randint(0, VALUES, (1, *SHAPE), dtype=torch.float64) / (VALUES - 1)).expand(4000, -1, -1, -1)
    upwards = chain(model)
    torch.manual_seed(3)
    with torch.no_grad():
        sampled, closed = upwards(x), model(x)
    assert set(closed.estimators().values()) == {"analytic"} and sampled.estimators()["z1"] == "sampled"
    one, other = sampled.elbo(), closed.elbo()
    error = ((one.var() + other.var()) / len(x)) ** 0.5
    assert abs(one.mean() - other.mean()) < 5 * error
