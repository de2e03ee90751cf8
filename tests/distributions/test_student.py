"""Student's t against scipy and its own definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from hvae.distributions import Student
from hvae.levels.steps import LEAST_FREEDOM, StudentHead


@pytest.mark.parametrize("freedom", [1.5, 3.0, 30.0])
def test_the_density_is_that_of_scipy(freedom: float) -> None:
    x = torch.tensor([[-50.0, -1.0, 0.3, 4.0]], dtype=torch.float64)
    law = Student(torch.full_like(x, 0.5), torch.full_like(x, 0.2), torch.tensor(freedom, dtype=torch.float64))
    np.testing.assert_allclose(law.log_prob(x).numpy(), stats.t.logpdf(x.numpy(), freedom, 0.5, 0.2), rtol=1e-12)


def test_draws_are_distributed_as_they_are_scored() -> None:
    torch.manual_seed(0)
    wide = torch.ones(20_000, 1, dtype=torch.float64)
    law = Student(2 * wide, 3 * wide, torch.tensor([4.0], dtype=torch.float64))
    assert stats.kstest(law.sample().flatten().numpy(), stats.t(4.0, 2.0, 3.0).cdf).pvalue > 1e-3
    assert stats.kstest(law.tempered(0.5).sample().flatten().numpy(), stats.t(4.0, 2.0, 1.5).cdf).pvalue > 1e-3


def test_gradients_reach_the_freedom_and_stop_where_they_shall() -> None:
    head = StudentHead((3,))
    law = head(torch.zeros(2, 6))
    assert isinstance(law, Student) and (law.freedom > LEAST_FREEDOM).all()
    law.log_prob(torch.full((2, 3), 9.0)).sum().backward()
    assert head.freedom.grad is not None and (head.freedom.grad < 0).all()  # what is far off asks for heavier tails
    assert not law.detach().log_prob(torch.zeros(2, 3)).requires_grad


def test_far_values_cost_a_logarithm() -> None:
    law = Student(torch.zeros(1, 2), torch.ones(1, 2), torch.tensor(3.0))
    near, far = law.log_prob(torch.tensor([[1e3, 1e4]]))[0]
    assert float(near - far) == pytest.approx(4 * np.log(10), rel=1e-3)


def test_draws_ask_no_value_so_that_shapes_alone_can_be_walked() -> None:
    law = Student(*(torch.ones(5, 2, device="meta") for _ in range(3)))
    assert law.sample().shape == (5, 2)
    freedom, loc, scale = torch.tensor([3.0, 9.0]), torch.randn(40, 2), torch.rand(40, 2) + 0.1
    torch.manual_seed(1)
    sample = Student(loc, scale, freedom).sample()
    torch.manual_seed(1)
    torch.testing.assert_close(sample, torch.distributions.StudentT(freedom, loc, scale).sample())
