"""The spectral term against a singular value decomposition, its gradient, and what is stored."""

from __future__ import annotations

import io

import torch
from torch import Tensor

from hvae.nn.spectral import FIRST, ITERATIONS, Spectral, singular_vectors


def kernels() -> list[Tensor]:
    torch.manual_seed(0)
    shapes = [(4, 3, 1, 1), (6, 2, 3, 3), (4, 3, 1, 1), (4, 1, 5, 5)]
    return [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes]


def term(of: list[Tensor]) -> Spectral:
    return Spectral([(len(k), k[0].numel()) for k in of]).double()


def exact(of: list[Tensor]) -> Tensor:
    return torch.stack([torch.linalg.matrix_norm(k.flatten(1), 2) for k in of]).sum()


def test_it_is_the_sum_of_the_largest_singular_values() -> None:
    of = kernels()
    made = term(of)
    with torch.no_grad():
        for _ in range(50):
            found = made(of)
    torch.testing.assert_close(found, exact(of), rtol=1e-6, atol=0)


def test_the_gradient_is_that_of_the_largest_singular_values() -> None:
    of = kernels()
    made = term(of)
    for _ in range(100):
        found = made(of)
    mine = torch.autograd.grad(found, of)
    for a, b in zip(mine, torch.autograd.grad(exact(of), of), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_the_first_call_takes_ten_times_the_rounds() -> None:
    of = kernels()
    made = term(of)
    start = made.get_buffer("left_4x3").clone()
    matrices = torch.stack([of[0].flatten(1), of[2].flatten(1)]).detach()
    made(of)
    torch.testing.assert_close(made.get_buffer("left_4x3"), singular_vectors(matrices, start, FIRST)[0])
    second = made.get_buffer("left_4x3").clone()
    made(of)
    torch.testing.assert_close(made.get_buffer("left_4x3"), singular_vectors(matrices, second, ITERATIONS)[0])


def test_a_resumed_run_goes_on_with_the_same_vectors() -> None:
    of = kernels()
    made = term(of)
    made(of)
    buffer = io.BytesIO()
    torch.save(made.state_dict(), buffer)
    buffer.seek(0)
    other = term(of)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(made(of), other(of))
    for name, vectors in made.named_buffers():
        assert torch.equal(vectors, other.get_buffer(name))


def test_fresh_vectors_that_are_loaded_begin_anew() -> None:
    of = kernels()
    fresh, used = term(of), term(of)
    used(of)
    used.load_state_dict(fresh.state_dict())
    assert torch.equal(used(of), fresh(of))


def test_evaluation_stores_nothing() -> None:
    of = kernels()
    made = term(of).eval()
    before = {name: b.clone() for name, b in made.named_buffers()}
    made(of)
    assert all(torch.equal(b, before[name]) for name, b in made.named_buffers())


def test_single_precision_under_autocast() -> None:
    of = [k.detach().float() for k in kernels()]
    made = term(kernels()).float().eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = made(of)
    assert half.dtype == torch.float32
    assert torch.equal(half, made(of))
