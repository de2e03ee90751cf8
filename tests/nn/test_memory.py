"""A Transformer with a memory of earlier chunks: the same numbers however it is cut, gradients within a chunk."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hvae.errors import HvaeError
from hvae.nn.memory import FirstMemory, MemoryBlock, MemoryTransformer, waves

STEPS = 11


def network(memory: int, chunk: int) -> MemoryTransformer:
    torch.manual_seed(0)
    transformer = MemoryTransformer(3, 8, blocks=2, heads=2, memory=memory, chunk=chunk).double()
    for block in transformer.blocks:  # they start at zero, and would say nothing
        torch.nn.init.normal_(block.content_bias)
        torch.nn.init.normal_(block.place_bias)
    return transformer


def series() -> Tensor:
    return torch.randn(2, STEPS, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("memory", [STEPS, 3, 1, 0])
@pytest.mark.parametrize("chunk", [1, 4, 5, STEPS])
def test_chunks_with_a_memory_are_the_long_pass(memory: int, chunk: int) -> None:
    """With all of the past remembered, and with a part of it: where chunks begin changes no number."""
    whole, cut = network(memory, 0)(series())[0], network(memory, chunk)(series())[0]
    torch.testing.assert_close(cut, whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cuts", [(1,) * STEPS, (4, 7), (3, 6, 2)])
def test_a_carry_continues_the_whole(cuts: tuple[int, ...]) -> None:
    model, carry, parts = network(5, 4), None, []
    for piece in series().split(list(cuts), 1):
        part, carry = model(piece, carry)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, 1), model(series())[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("cuts", [(STEPS,), (1,) * STEPS, (6, 5)])
def test_no_gradient_goes_through_the_memory(cuts: tuple[int, ...]) -> None:
    """However it is called: a step of the third chunk hears the second, and gives it no gradient."""
    model, u, carry, parts = network(STEPS, 4), series().requires_grad_(), None, []
    for piece in u.split(list(cuts), 1):
        part, carry = model(piece, carry)
        parts.append(part)
    h = torch.cat(parts, 1)
    (reach,) = torch.autograd.grad(h[:, -1, 0].sum(), u)
    assert (reach.abs().sum((0, 2)) > 0).tolist() == [False] * 8 + [True] * 3
    other = series()
    other[:, 5] += 1
    assert not torch.equal(model(other)[0][:, -1], model(series())[0][:, -1])


def test_a_step_hears_its_last_steps_alone() -> None:
    """Each of two blocks reaches 2 steps further back, and none forward."""
    model, u = network(2, 0), series().requires_grad_()
    (reach,) = torch.autograd.grad(model(u)[0][:, 8, 0].sum(), u)
    assert (reach.abs().sum((0, 2)) > 0).tolist() == [False] * 4 + [True] * 5 + [False] * 2


def test_the_scores_by_hand() -> None:
    torch.manual_seed(0)
    block, h = MemoryBlock(4, 1, 9).double(), torch.randn(1, 5, 4, dtype=torch.float64)
    torch.nn.init.normal_(block.content_bias)
    torch.nn.init.normal_(block.place_bias)
    x, i = block.first(h)[0], 3
    query, keys, values = block.ask(x[i]), *block.keys(x).chunk(2, 1)
    places = block.place(waves(5, 4, x))
    scores = torch.stack(
        [
            (query + block.content_bias[0, 0]) @ keys[j] + (query + block.place_bias[0, 0]) @ places[i - j]
            for j in range(i + 1)
        ]
    )
    seen = (scores / math.sqrt(4)).softmax(0) @ values[: i + 1]
    after = h[0, i] + block.answer(seen)
    after = after + block.mlp(block.second(after))
    torch.testing.assert_close(block(h[:, 2:], h[:, :2])[0, 1], after)


def test_a_vector_is_what_is_first_remembered() -> None:
    model, first = network(4, 3), FirstMemory(2, 8, 2).double()
    z = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    h = model(series(), first(z))[0]
    (reach,) = torch.autograd.grad(h[:, :3, 0].sum(), z)
    assert (reach != 0).all()
    assert not torch.allclose(h[:, 0], model(series())[0][:, 0])


def test_a_width_that_does_not_fit() -> None:
    with pytest.raises(HvaeError, match="multiple of twice 4 heads, got 12"):
        MemoryTransformer(3, 12, blocks=1, heads=4, memory=4, chunk=4)
