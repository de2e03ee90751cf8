"""A base distribution with an invertible map: its density, what it remembers, and what it stops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hvae.distributions import Flowed, Normal, divergence, standard_normal
from hvae.distributions.flow import stopped
from hvae.errors import HvaeError

W = torch.tensor([0.5, -1.5], dtype=torch.float64)


def forward(z: Tensor) -> tuple[Tensor, Tensor]:
    """sinh, scaled: its log-determinant depends on the element."""
    return W.exp() * z.sinh(), W + z.cosh().log()


def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
    start = (z / W.exp()).asinh()
    return start, forward(start)[1]


def flow(*, invertible: bool = True, n: int = 5) -> Flowed:
    base = Normal(torch.full((n, 2), 0.3, dtype=torch.float64), torch.full((n, 2), 0.7, dtype=torch.float64))
    return Flowed(base, forward, inverse if invertible else None)


def test_density_integrates_to_one() -> None:
    z = torch.linspace(-60, 60, 400_001, dtype=torch.float64)[:, None].expand(-1, 2)
    q = Flowed(Normal(torch.full_like(z, 0.3), torch.full_like(z, 0.7)), forward, inverse)
    mass = torch.trapezoid(q.log_prob(z).exp(), z, dim=0)
    torch.testing.assert_close(mass, torch.ones_like(mass), rtol=1e-6, atol=0)


def test_the_draw_is_scored_without_an_inverse() -> None:
    q = flow(invertible=False)
    z = q.sample()
    torch.testing.assert_close(q.log_prob(z), flow().log_prob(z))


def test_other_values_need_an_inverse() -> None:
    q = flow(invertible=False)
    z = q.sample()
    for other in (z.clone(), z + 1):
        with pytest.raises(HvaeError, match="no inverse"):
            q.log_prob(other)


def test_a_second_draw_replaces_the_first() -> None:
    q = flow()
    first, second = q.sample(), q.sample()
    assert not torch.equal(first, second)
    for z in (first, second):
        torch.testing.assert_close(q.log_prob(z), flow().log_prob(z.clone()))


def test_mode_is_the_image_of_the_bases_and_is_scored() -> None:
    q = flow(invertible=False)
    z = q.mode()
    torch.testing.assert_close(z, forward(q.base.mode())[0])
    torch.testing.assert_close(q.log_prob(z), flow().log_prob(z))
    torch.testing.assert_close(q.mean(), forward(q.base.mean())[0])


def test_the_mean_is_no_draw_and_leaves_the_last_one_known() -> None:
    q = flow(invertible=False)
    z = q.sample()
    before = q.log_prob(z)
    q.mean()
    assert torch.equal(q.log_prob(z), before)


def test_where_the_inverse_leaves_the_range_of_numbers_is_no_density() -> None:
    base = Normal(torch.zeros(1, 2), torch.ones(1, 2))
    q = Flowed(base, forward, lambda z: (z / 0, torch.full_like(z, torch.inf) - torch.inf))
    assert torch.equal(q.log_prob(torch.ones(1, 2)), torch.full((1, 2), -torch.inf))


def test_temperature_narrows_the_base() -> None:
    torch.manual_seed(0)
    cold = flow(n=50_000).tempered(0.5).sample()
    torch.testing.assert_close(inverse(cold)[0].std(0), torch.full((2,), 0.35, dtype=torch.float64), rtol=0.02, atol=0)


def test_its_kl_is_sampled() -> None:
    q = flow()
    z = q.sample()
    nats, estimator = divergence(q, standard_normal(z, (2,)), z)
    assert estimator == "sampled"
    torch.testing.assert_close(nats, q.log_prob(z) - standard_normal(z, (2,)).log_prob(z))


def test_penalty_neither_draws_nor_forgets() -> None:
    q = flow(invertible=False)
    z = q.sample()
    assert torch.equal(q.penalty(), torch.zeros(5, dtype=torch.float64))
    q.log_prob(z)


def learned() -> tuple[Flowed, Tensor, Tensor]:
    """z = a z0 with a = e^w: log q(z) = log N(z e^-w; loc, 1) - w."""
    w = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    loc = torch.full((3, 2), 0.2, dtype=torch.float64, requires_grad=True)
    q = Flowed(
        Normal(loc, torch.ones_like(loc)),
        lambda z: (w.exp() * z, w.expand_as(z)),
        lambda z: ((-w).exp() * z, w.expand_as(z)),
    )
    return q, w, loc


def test_detached_it_is_a_function_of_the_value_alone() -> None:
    q, w, loc = learned()
    z = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    stopped_log_prob = q.detach().log_prob(z)
    torch.testing.assert_close(stopped_log_prob, q.log_prob(z))
    stopped_log_prob.sum().backward()
    expected = -((-w).exp() * z - loc) * (-w).exp()
    torch.testing.assert_close(z.grad, expected.detach())
    assert w.grad is None and loc.grad is None


def test_gradients_reach_weights_through_the_draw_and_through_the_inverse() -> None:
    q, w, loc = learned()
    z = q.sample()
    drawn = torch.autograd.grad(q.log_prob(z).sum(), [w, loc], retain_graph=True, allow_unused=True)
    copied = torch.autograd.grad(q.log_prob(z + 0).sum(), [w, loc])
    # The copy follows z back to the weights through its draw, where loc cancels: z e^-w - loc is the noise.
    torch.testing.assert_close(drawn[0], copied[0])
    torch.testing.assert_close(copied[1], torch.zeros_like(loc))


def test_stopped_maps_that_ignore_their_argument() -> None:
    z = torch.ones(2, requires_grad=True)
    image, log_det = stopped(lambda z: (torch.ones(2), torch.zeros(2)))(z)
    (image + log_det + z).sum().backward()
    assert torch.equal(z.grad, torch.ones(2))
