"""The spectral term against a singular value decomposition, its gradient, and what is stored."""

from __future__ import annotations

import io

import pytest
import torch
from torch import Tensor

from hvae.nn import spectral
from hvae.nn.lengths import EPSILON, Factors, lengthened
from hvae.nn.spectral import FIRST, ITERATIONS, Spectral, singular_vectors, steepness


def kernels() -> list[Tensor]:
    torch.manual_seed(0)
    shapes = [(4, 3, 1, 1), (6, 2, 3, 3), (4, 3, 1, 1), (4, 1, 5, 5)]
    return [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes]


def plain(of: list[Tensor]) -> list[Factors]:
    return [Factors(k) for k in of]


def term(of: list[Tensor]) -> Spectral:
    return Spectral([(len(k), k[0].numel()) for k in of]).double()


def exact(of: list[Tensor]) -> Tensor:
    return torch.stack([torch.linalg.matrix_norm(k.flatten(1), 2) for k in of]).sum()


def test_it_is_the_sum_of_the_largest_singular_values() -> None:
    of = kernels()
    made = term(of)
    with torch.no_grad():
        for _ in range(50):
            found = made(plain(of))
    torch.testing.assert_close(found, exact(of), rtol=1e-6, atol=0)


def test_the_gradient_is_that_of_the_largest_singular_values() -> None:
    of = kernels()
    made = term(of)
    for _ in range(100):
        found = made(plain(of))
    mine = torch.autograd.grad(found, of)
    for a, b in zip(mine, torch.autograd.grad(exact(of), of), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_the_first_call_takes_ten_times_the_rounds() -> None:
    of = kernels()
    made = term(of)
    start = made.get_buffer("left_4x3").clone()
    matrices = torch.stack([of[0].flatten(1), of[2].flatten(1)]).detach()
    ones = torch.ones(2, 4, dtype=torch.float64)
    made(plain(of))
    torch.testing.assert_close(made.get_buffer("left_4x3"), singular_vectors(matrices, ones, start, FIRST)[0])
    second = made.get_buffer("left_4x3").clone()
    made(plain(of))
    torch.testing.assert_close(made.get_buffer("left_4x3"), singular_vectors(matrices, ones, second, ITERATIONS)[0])


def test_a_kernel_that_was_zero_is_seen_once_it_is_not() -> None:
    """Its vector has no direction to follow, and must not stay without one for ever."""
    term = Spectral([(3, 4), (3, 4)]).double()
    other = torch.ones(3, 4, dtype=torch.float64)
    term([Factors(torch.zeros_like(other)), Factors(other)])
    torch.testing.assert_close(term([Factors(2 * other), Factors(other)]), 3 * other.norm())


def test_a_resumed_run_goes_on_with_the_same_vectors() -> None:
    of = kernels()
    made = term(of)
    made(plain(of))
    buffer = io.BytesIO()
    torch.save(made.state_dict(), buffer)
    buffer.seek(0)
    other = term(of)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(made(plain(of)), other(plain(of)))
    for name, vectors in made.named_buffers():
        assert torch.equal(vectors, other.get_buffer(name))


def test_fresh_vectors_that_are_loaded_begin_anew() -> None:
    of = kernels()
    fresh, used = term(of), term(of)
    used(plain(of))
    used.load_state_dict(fresh.state_dict())
    assert torch.equal(used(plain(of)), fresh(plain(of)))


def test_evaluation_stores_nothing() -> None:
    of = kernels()
    made = term(of).eval()
    before = {name: b.clone() for name, b in made.named_buffers()}
    made(plain(of))
    assert all(torch.equal(b, before[name]) for name, b in made.named_buffers())


def test_single_precision_under_autocast() -> None:
    of = [k.detach().float() for k in kernels()]
    made = term(kernels()).float().eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = made(plain(of))
    assert half.dtype == torch.float32
    assert torch.equal(half, made(plain(of)))


def test_a_kernel_of_given_length_is_what_its_factors_say() -> None:
    directions = kernels()
    lengths = [torch.randn(len(k), 1, 1, 1, dtype=torch.float64, requires_grad=True) for k in directions]
    pairs = list(zip(directions, lengths, strict=True))
    both = term(directions)
    for _ in range(200):
        total = both([Factors(v, length) for v, length in pairs])
    svd = exact([lengthened(v, length) for v, length in pairs])
    torch.testing.assert_close(total, svd, rtol=1e-6, atol=0)
    ours = torch.autograd.grad(total, [*directions, *lengths])
    for a, b in zip(ours, torch.autograd.grad(svd, [*directions, *lengths]), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    of = kernels()
    together, apart = term(of), term(of)
    apart.load_state_dict(together.state_dict())
    total = together(plain(of))
    monkeypatch.setattr(spectral, "BLOCK", 1)
    torch.testing.assert_close(apart(plain(of)), total, rtol=1e-12, atol=0)
    for name, vectors in together.named_buffers():
        torch.testing.assert_close(apart.get_buffer(name), vectors, rtol=1e-12, atol=1e-14)


def test_gradients_of_gradients_hold_the_vectors() -> None:
    torch.manual_seed(0)
    v = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    log_lengths = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    total, left = steepness(v, log_lengths, torch.randn(2, 4, dtype=torch.float64), 100)
    scales = log_lengths.exp() / (v.norm(dim=2) + EPSILON)
    right = torch.nn.functional.normalize(((scales * left)[:, None] @ v)[:, 0], dim=1).detach()
    formula = torch.einsum("nr,nr,nrc,nc->", scales, left, v, right)
    torch.testing.assert_close(total, formula, rtol=1e-12, atol=0)
    slopes = [torch.autograd.grad(term, (v, log_lengths), create_graph=True) for term in (total, formula)]
    ours, theirs = (torch.autograd.grad(a.square().sum() + b.sin().sum(), (v, log_lengths)) for a, b in slopes)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)
