"""The distance of spectra, on sounds whose spectra are known."""

from __future__ import annotations

import math

import pytest
import torch

from hvae import Datum, build
from hvae.config.vqvae import RQVAEConfig
from hvae.objectives import ELBO, Spectra
from hvae.objectives.spectra import distance


def test_twice_as_loud_is_log_two_a_sample() -> None:
    x = torch.randn(3, 4096, dtype=torch.float64)
    each = distance(x, 2 * x, windows=[256]) / 4096
    # Both ends lie in one more window each, and little of noise is below the floor.
    torch.testing.assert_close(each, torch.full_like(each, math.log(2) * 65 / 64), rtol=1e-3, atol=0)


def test_a_sign_is_not_heard() -> None:
    x = torch.randn(2, 500, dtype=torch.float64)
    torch.testing.assert_close(distance(x, -x), torch.zeros(2, dtype=torch.float64))


def test_what_is_below_the_floor_counts_little() -> None:
    x = 1e-6 * torch.randn(2, 2000, dtype=torch.float64)
    assert (distance(x, 10 * x) / 2000 < 1e-3).all()


@pytest.mark.parametrize("padding", [0.0, 1.0])
def test_it_is_added_to_the_loss_and_to_no_bound(padding: float) -> None:
    torch.manual_seed(0)
    model = build(RQVAEConfig(codes=5, dims=2, width=4, hidden=4, stride=2, depth=2), (30, 4), bits=16).double()
    x = torch.rand(3, 30, 4, dtype=torch.float64)
    x[1, 20:] = padding
    trace = model(Datum(x, lengths=torch.tensor([30, 20, 30])))
    loss, plain = ELBO(spectra=Spectra(0.5))(trace, 0), ELBO()(trace, 0)
    assert loss.terms["elbo"] == plain.terms["elbo"]
    torch.testing.assert_close(loss.total - plain.total, loss.terms["stft"])
    sound, mean = 2 * x - 1, 2 * model.picture(trace) - 1
    sound[1, 20:], mean[1, 20:] = 0.0, 0.0
    expected = 0.5 * distance(sound.flatten(1), mean.flatten(1)).mean()
    torch.testing.assert_close(loss.terms["stft"], expected.detach())
