"""Laws over codes: what a code costs, exactly, and that all codes together have probability one."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from hvae.distributions import divergence
from hvae.distributions.codebook import ChosenCodes, UniformCodes, codes_at


@pytest.fixture
def book() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(5, 3, dtype=torch.float64)


def test_a_code_costs_log_k_exactly(book: torch.Tensor) -> None:
    index = torch.randint(5, (2, 4, 3))
    q, p = ChosenCodes(book, index), UniformCodes(book, (2, 4, 3))
    nats, estimator = divergence(q, p, q.sample())
    assert estimator == "analytic"
    assert nats.shape == (2, 1, 4, 3)
    assert torch.equal(nats, torch.full((2, 1, 4, 3), math.log(5), dtype=torch.float64))
    assert torch.equal(q.log_prob(q.sample()) - p.log_prob(q.sample()), nats), "the sample costs what the form says"


def test_all_values_of_a_map_sum_to_one(book: torch.Tensor) -> None:
    p, q = UniformCodes(book, (1, 2)), ChosenCodes(book, torch.tensor([[3, 1]]))
    maps = [codes_at(book, torch.tensor([index])) for index in itertools.product(range(5), repeat=2)]
    for law in (p, q):
        mass = sum(law.log_prob(value).sum().exp() for value in maps)
        torch.testing.assert_close(mass, torch.ones((), dtype=torch.float64), atol=1e-12, rtol=0)


def test_the_mass_of_an_index_is_that_of_its_code(book: torch.Tensor) -> None:
    index = torch.randint(5, (3, 4))
    for law in (UniformCodes(book, (3, 4)), ChosenCodes(book, index.flip(0))):
        assert torch.equal(law.log_mass(index), law.log_prob(codes_at(book, index)))


def test_samples_are_codes_and_all_of_them_occur(book: torch.Tensor) -> None:
    drawn = UniformCodes(book, (200, 2)).sample().movedim(1, -1).reshape(-1, 3)
    assert torch.equal(drawn.unique(dim=0), book.unique(dim=0))


def test_the_mode_of_the_uniform_is_one_code_and_cold_draws_are_it(book: torch.Tensor) -> None:
    p = UniformCodes(book, (2, 4))
    nearest = (book - book.mean(0)).norm(dim=1).argmin()
    assert torch.equal(p.mode(), book[nearest].view(1, 3, 1).expand(2, 3, 4))
    assert torch.equal(p.tempered(0.0).sample(), p.mode())
    assert p.tempered(0.5) is p
    torch.testing.assert_close(p.mean()[0, :, 0], book.mean(0))


def test_nothing_moves_the_codes_through_the_value(book: torch.Tensor) -> None:
    book.requires_grad_()
    q = ChosenCodes(book, torch.zeros(2, 4, dtype=torch.int64), penalty=torch.ones(2, dtype=torch.float64))
    assert not q.detach().sample().requires_grad
    assert torch.equal(q.penalty(), torch.ones(2, dtype=torch.float64))
    assert torch.equal(UniformCodes(book, (2, 4)).penalty(), torch.zeros(2, dtype=torch.float64))
