"""The quantised ladder: what its loss is, and that one set of weights serves every size."""

from __future__ import annotations

import math

import pytest
import torch

from hvae.config.qresvae import QResVAEConfig
from hvae.distributions.quantised import BlurredNormal
from hvae.errors import HvaeError
from hvae.walk import names
from hvae.zoo import build

TINY = QResVAEConfig(patch=2, groups=(1, 2), widths=(6, 8), latent=2)


@pytest.mark.parametrize("shape", [(3, 16, 16), (3, 7, 9), (3, 1, 1), (1, 40, 3)])
def test_any_size_by_the_same_weights(shape: tuple[int, int, int]) -> None:
    first, other = build(TINY, (shape[0], 8, 8)), build(TINY, shape)
    other.load_state_dict(first.state_dict(), strict=True)
    assert other(torch.rand(2, *shape))["x"].p.mean().shape == (2, *shape)
    assert names(other) == ["z3", "z2", "z1"]


def test_a_picture_in_the_middle_is_seen_as_it_is_alone() -> None:
    """Far from the edge a larger network computes what a smaller one does: nothing is learned of a place."""
    torch.manual_seed(0)
    config = QResVAEConfig(patch=2, groups=(1,), widths=(4,), latent=2)
    large, small = build(config, (1, 96, 96)).double(), build(config, (1, 64, 64)).double()
    small.load_state_dict(large.state_dict())
    x = torch.rand(1, 1, 96, 96, dtype=torch.float64)
    a = large.evidence(x).features["z1"][..., 20:28, 20:28]
    b = small.evidence(x[..., 16:80, 16:80]).features["z1"][..., 12:20, 12:20]
    torch.testing.assert_close(a, b)


def test_the_elbo_is_rate_plus_weighed_squared_error() -> None:
    torch.manual_seed(0)
    model, x = build(TINY, (3, 8, 8)).double(), torch.rand(4, 3, 8, 8, dtype=torch.float64)
    trace = model(x)
    square = ((x - trace["x"].p.mean()) ** 2).flatten(1).sum(1)
    constant = x[0].numel() * (math.log(TINY.sigma) + 0.5 * math.log(2 * math.pi))
    rate = -sum(r.p.log_prob(r.value).flatten(1).sum(1) for r in trace.latents)
    torch.testing.assert_close(-trace.elbo(), rate + square / (2 * TINY.sigma**2) + constant)
    # The same in bits a pixel, with the weight that other codecs call lambda.
    bits, mse = rate / (64 * math.log(2)), square / x[0].numel()
    total = (rate + square / (2 * TINY.sigma**2)) / (64 * math.log(2))
    torch.testing.assert_close(bits + TINY.trade * 255**2 * mse, total)


def test_every_latent_is_for_rounding() -> None:
    trace = build(TINY, (3, 8, 8))(torch.rand(1, 3, 8, 8))
    assert all(type(r.p) is BlurredNormal and r.p.width == 1.0 for r in trace.latents)


def test_scales_without_a_level_are_crossed() -> None:
    model = build(QResVAEConfig(patch=1, groups=(0, 0, 1), widths=(4, 6, 8), latent=1), (1, 9, 5))
    assert model(torch.rand(1, 1, 9, 5))["x"].p.mean().shape == (1, 1, 9, 5)


@pytest.mark.parametrize("changed", [{"groups": (0, 0)}, {"groups": (1, 1, 1)}, {"widths": (8,)}])
def test_impossible_sizes_are_one_line(changed: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(HvaeError, match="a width for each of them"):
        QResVAEConfig(**({"groups": (1, 1), "widths": (4, 4)} | changed))


def test_vectors_are_refused() -> None:
    with pytest.raises(HvaeError, match="needs images"):
        build(TINY, (7,))
