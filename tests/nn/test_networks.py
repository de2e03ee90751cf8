"""Networks: shapes for any size, initialisations, and recomputation that changes nothing but memory."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hvae.nn import BottomUp, Constant, ConvKit, MLPKit, Recomputed, ResidualBlock, Start, from_vector, to_gaussian
from hvae.nn.conv import halved, pointwise
from hvae.nn.mlp import FromMarginal, begin, dense, near_one

sizes = st.integers(1, 19)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), sizes, sizes, st.integers(1, 5))
def test_maps_of_any_size_go_up_and_come_back(channels: int, height: int, width: int, depth: int) -> None:
    kit, data = ConvKit(), (channels, height, width)
    shapes = kit.shapes(data, [4] * depth)
    h = kit.enter(data, shapes[0])(torch.rand(2, *data))
    for a, b in pairwise(shapes):
        assert b[1:] == halved(a[1:])
        h = kit.connect(a, b)(h)
    assert h.shape[1:] == shapes[-1]
    for a, b in pairwise(shapes[::-1]):
        h = kit.connect(a, b)(h)
    assert kit.leave(shapes[0], data, 7)(h).shape == (2, 7, height, width)
    assert kit.gaussian(shapes[-1], 3)(torch.zeros(2, *shapes[-1])).shape == (2, 6, *shapes[-1][1:])


@given(st.integers(1, 6), st.integers(1, 6))
@settings(max_examples=10, deadline=None)
def test_vectors(dims: int, hidden: int) -> None:
    kit = MLPKit()
    [shape] = kit.shapes((dims,), [hidden])
    h = kit.enter((dims,), shape)(torch.rand(3, dims))
    assert h.shape == (3, hidden)
    assert kit.leave(shape, (dims,), 2 * dims)(h).shape == (3, 2 * dims)
    assert kit.leave(shape, (1, 4, 5), 3)(h).shape == (3, 3, 4, 5)


def test_data_are_centred() -> None:
    first = MLPKit().enter((1, 2, 2), (3,))[0]
    assert first(torch.tensor([0.0, 0.5, 1.0])).tolist() == [-1.0, 0.0, 1.0]


def test_residual_branches_start_small() -> None:
    assert torch.equal(ResidualBlock(3, gain=0.0)(x := torch.randn(2, 3, 5, 5)), x)
    assert pointwise(3, 4, 0.0).weight.abs().max() == 0


def test_scales_start_near_one() -> None:
    layer = near_one(nn.Linear(200, 80))
    loc, scale = layer(torch.randn(500, 200)).chunk(2, 1)
    assert loc.std() > 5 * scale.std()


def test_signals_keep_their_size_through_many_layers() -> None:
    h = torch.randn(64, 256)
    for _ in range(10):
        h = dense(256, 256)(h)
    assert 0.3 < h.square().mean().sqrt() < 3


def test_a_deep_stack_keeps_its_variance() -> None:
    n = 40
    stack = nn.Sequential(*(ResidualBlock(16, gain=(1 / n) ** 0.5) for _ in range(n)))
    h = torch.randn(4, 16, 8, 8)
    assert 0.5 < stack(h).std() / h.std() < 2


def test_recomputation_gives_the_same_gradients() -> None:
    block = ResidualBlock(3).double()
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    grads = []
    for network in (block, Recomputed(block)):
        block.zero_grad()
        network(x).square().sum().backward()
        grads.append(block.first.weight.grad.clone())
    assert torch.equal(*grads)


def test_recomputation_silences_the_same_channels() -> None:
    block = ResidualBlock(8, dropout=0.5).double()
    x = torch.randn(2, 8, 4, 4, dtype=torch.float64)
    grads = []
    for network in (block, Recomputed(block)):
        torch.manual_seed(5)
        block.zero_grad()
        network(x).square().sum().backward()
        grads.append(block.first.weight.grad.clone())
    assert torch.equal(*grads)


def test_recomputation_keeps_less() -> None:
    def saved(network: nn.Module) -> int:
        total = 0

        def pack(t: torch.Tensor) -> torch.Tensor:
            nonlocal total
            total += t.numel()
            return t

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            network(torch.randn(2, 3, 16, 16, requires_grad=True))
        return total

    block = nn.Sequential(*(ResidualBlock(3) for _ in range(4)))
    assert saved(Recomputed(block)) < saved(block) / 4


def test_first_states() -> None:
    assert Start((3, 2))(5).shape == (5, 3, 2)
    assert not Constant((1,))(5).any() and not list(Constant((1,)).parameters())


def test_bottom_up_leaves_one_feature_a_level() -> None:
    features = BottomUp({"z1": nn.Linear(4, 3), "z2": nn.Linear(3, 2)})(torch.zeros(5, 4))
    assert {name: tuple(f.shape) for name, f in features.items()} == {"z1": (5, 3), "z2": (5, 2)}


def test_vectors_in_and_out_of_maps() -> None:
    assert to_gaussian((3, 4, 5), 7)(torch.zeros(2, 3, 4, 5)).shape == (2, 14)
    assert from_vector(7, (3, 4, 5))(torch.zeros(2, 7)).shape == (2, 3, 4, 5)


@pytest.mark.parametrize(("size", "up"), [((28, 28), (14, 14)), ((7, 1), (4, 1)), ((1, 1), (1, 1))])
def test_halving_rounds_up(size: tuple[int, int], up: tuple[int, int]) -> None:
    assert halved(size) == up


def test_a_last_map_starts_at_the_marginal_and_others_are_left_alone() -> None:
    last, raw = FromMarginal(3, 1, (2, 2)), torch.tensor([[[-7.0, 0.0], [1.0, 2.0]]])
    plain = nn.Linear(3, 3)
    before = plain.bias.clone()
    network = nn.Sequential(plain, nn.Tanh(), last)
    begin(network, raw)
    last.linear.weight.data.zero_()
    assert torch.equal(network(torch.randn(5, 3)), raw.expand(5, 1, 2, 2))
    assert torch.equal(plain.bias, before)
    begin(network, None)
    assert torch.equal(last.linear.bias, raw.flatten())
