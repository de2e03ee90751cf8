"""The Gaussian of full covariance against torch's, and its head against the diagonal one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from hvae.distributions import Correlated
from hvae.errors import HvaeError
from hvae.levels.heads import GaussianFullHead, GaussianPixelHead

C = 4


def law(n: int, *places: int) -> Correlated:
    chance = torch.Generator().manual_seed(0)
    loc, scale = torch.randn(2, n, C, *places, generator=chance, dtype=torch.float64)
    slopes = torch.randn(n, C, C, *places, generator=chance, dtype=torch.float64)
    lower = torch.ones(C, C, dtype=torch.float64).tril(-1).view(C, C, *[1] * len(places))
    return Correlated(loc, 0.2 + scale.abs(), slopes * lower)


def covariance(p: Correlated) -> Tensor:
    """Sigma of each datum of vectors, (B, C, C), by its definition."""
    inverse = torch.linalg.inv(torch.eye(C, dtype=torch.float64) - p.slopes)
    return inverse @ torch.diag_embed(p.scale**2) @ inverse.mT


def test_it_is_the_gaussian_of_that_covariance() -> None:
    p = law(3)
    x = torch.randn(3, C, dtype=torch.float64)
    torch.testing.assert_close(p.log_prob(x).sum(1), MultivariateNormal(p.loc, covariance(p)).log_prob(x))


def test_samples_have_that_covariance_at_a_temperature_too() -> None:
    one = law(1)
    many = Correlated(one.loc.expand(200_000, -1), one.scale.expand(200_000, -1), one.slopes.expand(200_000, -1, -1))
    torch.manual_seed(0)
    for p, square in ((many, 1.0), (many.tempered(0.5), 0.25)):
        x = p.sample()
        torch.testing.assert_close(x.mean(0), one.loc[0], atol=0.05, rtol=0)
        torch.testing.assert_close(torch.cov(x.T), square * covariance(one)[0], atol=0.03, rtol=0.03)


def test_places_are_independent_of_one_another() -> None:
    p, x = law(2, 3, 2), torch.randn(2, C, 3, 2, dtype=torch.float64)
    vectors = Correlated(p.loc[..., 1, 0], p.scale[..., 1, 0], p.slopes[..., 1, 0])
    torch.testing.assert_close(p.log_prob(x)[..., 1, 0], vectors.log_prob(x[..., 1, 0]))
    assert p.sample().shape == x.shape


def test_the_head_without_slopes_is_the_diagonal_one() -> None:
    full, diagonal = GaussianFullHead((C,)), GaussianPixelHead((C,))
    raw, x = torch.randn(5, 2 * C, dtype=torch.float64), torch.rand(5, C, dtype=torch.float64)
    raw[:, C:] = 0.0  # a scale and a precision of one
    slopes = torch.randn(5, C * (C - 1) // 2, dtype=torch.float64)
    torch.testing.assert_close(full(torch.cat([raw, 0 * slopes], 1)).log_prob(x), diagonal(raw).log_prob(x))
    p = full(torch.cat([raw, slopes], 1))
    assert isinstance(p, Correlated)
    torch.testing.assert_close(p.slopes.triu(), torch.zeros_like(p.slopes))
    row, column = torch.tril_indices(C, C, -1)
    torch.testing.assert_close(p.slopes[:, row, column], slopes / 2)


@pytest.mark.parametrize("places", [(), (2, 3)])
def test_it_starts_from_mean_and_covariance_of_the_data(places: tuple[int, ...]) -> None:
    chance = torch.Generator().manual_seed(0)
    mixing = torch.randn(C, C, generator=chance, dtype=torch.float64)
    noise = torch.randn(20_000, C, *places, generator=chance, dtype=torch.float64)
    x = 0.5 + 0.1 * torch.einsum("cj,bj...->bc...", mixing, noise)
    head = GaussianFullHead((C, *places))
    p = head(head.marginal(x)[None])
    assert isinstance(p, Correlated)
    one = (..., *[0] * len(places))
    torch.testing.assert_close(p.loc[0], x.mean(0))
    same = Correlated(p.loc[one], p.scale[one], p.slopes[one])
    torch.testing.assert_close(covariance(same)[0], torch.cov(x[one].T), rtol=2e-2, atol=1e-4)
    few = head(head.marginal(x[:1])[None])
    assert few.log_prob(x[:1]).isfinite().all()


def test_no_raw_number_makes_its_density_explode() -> None:
    raw = torch.zeros(1, C * (C + 3) // 2)
    raw[:, C : 2 * C] = 100.0
    assert float(GaussianFullHead((C,))(raw).scale.min()) > 0.004  # type: ignore[attr-defined]


def test_gradients_stop_where_they_are_told_to() -> None:
    p = law(1)
    p.loc.requires_grad_()
    assert not p.detach().log_prob(torch.zeros(1, C, dtype=torch.float64)).requires_grad


def test_too_many_coordinates_are_one_line() -> None:
    with pytest.raises(HvaeError, match=r"at most 256 coordinates .* got 257; choose gaussian-pixel"):
        GaussianFullHead((257,))
