"""Batch norms that join convolutions: the same numbers, and never those of yesterday."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from hvae.nn.batchnorm import BatchNorm
from hvae.nn.cell import batchnorm, inverted, inverted_up, residual, residual_down
from hvae.nn.folding import Chain, Convolved, folded, silu_in_place
from hvae.nn.kernels import LengthConv, PlainConv


def used(module: nn.Module) -> nn.Module:
    """In float64, with statistics and scales as after some training."""
    torch.manual_seed(0)
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.weight, -1.5, 1.5)
            nn.init.normal_(m.bias)
            m.running_mean.normal_()
            m.running_var.uniform_(0.3, 2.0)
    return module.double().eval()


CELLS = {
    "residual": lambda: residual(8, gated=True),
    "down": lambda: residual_down(8, 16, gated=False),
    "inverted": lambda: inverted(8, 3, gated=True),
    "up": lambda: inverted_up(8, 4, 3, gated=True),
}


def data() -> Tensor:
    return torch.randn(3, 8, 4, 6, dtype=torch.float64)


@pytest.mark.parametrize("name", CELLS)
def test_folded_cells_compute_the_same(name: str) -> None:
    cell, h = used(CELLS[name]()), data()
    with torch.no_grad():
        quick = cell(h)
    torch.testing.assert_close(quick, cell(h), rtol=1e-12, atol=1e-12)


def test_what_is_left_of_an_inverted_bottleneck() -> None:
    """Three convolutions and two nonlinearities; neighbours are copied just before the kernel that looks at them."""
    steps = folded(used(CELLS["up"]()).branch.children())
    kinds = [Convolved, None, nn.Upsample, Convolved, None, Convolved]
    assert [None if step is silu_in_place else type(step) for step in steps] == kinds
    steps = folded(used(CELLS["residual"]()).branch.children())
    kinds = [BatchNorm, None, Convolved, None, Convolved]
    assert [None if step is silu_in_place else type(step) for step in steps] == kinds


def test_the_argument_of_a_chain_is_left_alone() -> None:
    for chain in (
        Chain(nn.SiLU(), PlainConv(2, 2, 1)),
        Chain(nn.Upsample(scale_factor=2), nn.SiLU()),
        Chain(nn.Identity(), nn.SiLU(), PlainConv(2, 2, 3)),
        Chain(nn.Dropout(), nn.SiLU(), PlainConv(2, 2, 3)),
    ):
        h = torch.randn(1, 2, 3, 3)
        before = h.clone()
        with torch.no_grad():
            chain.eval()(h)
        assert torch.equal(h, before)


def test_a_norm_before_a_wide_kernel_stays() -> None:
    """At the margin of the image a wide kernel sees zeros, not the norm of zeros."""
    chain = used(Chain(batchnorm(2), LengthConv(2, 3, 3)))
    h = torch.randn(1, 2, 4, 4, dtype=torch.float64)
    with torch.no_grad():
        found = chain(h)
    torch.testing.assert_close(found, chain(h))


def test_training_steps_are_seen() -> None:
    chain = used(Chain(PlainConv(2, 4, 1, bias=False), batchnorm(4)))
    h = torch.randn(5, 2, 3, 3, dtype=torch.float64)
    with torch.no_grad():
        before = chain(h)
    chain.train()(h)  # statistics move, weights do not
    chain.eval()
    with torch.no_grad():
        after = chain(h)
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, chain(h))


def test_loading_averaging_and_copying_are_seen() -> None:
    chain, other = (used(Chain(PlainConv(2, 4, 1, bias=False), batchnorm(4))) for _ in range(2))
    h = torch.randn(5, 2, 3, 3, dtype=torch.float64)
    nn.init.ones_(other.get_submodule("1").weight)
    with torch.no_grad():
        chain(h)
        chain.load_state_dict(other.state_dict())
        torch.testing.assert_close(chain(h), other(h))
        torch._foreach_mul_([b.detach() for b in chain.buffers() if b.is_floating_point()], 2.0)
        quick = chain(h)
        twin = copy.deepcopy(chain)
        twin.get_submodule("1").bias.add_(1)
        torch.testing.assert_close(twin(h), quick + 1)
    torch.testing.assert_close(quick, chain(h))


def test_what_is_kept_under_autocast_is_of_full_precision() -> None:
    chain = used(Chain(batchnorm(2), PlainConv(2, 4, 1))).float()
    h = torch.randn(5, 2, 3, 3)
    with torch.no_grad():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            chain(h)
        quick = chain(h)
    torch.testing.assert_close(quick, chain(h), rtol=1e-6, atol=1e-6)


def test_norms_in_training_mode_are_left_alone_without_gradients() -> None:
    chain = used(Chain(PlainConv(2, 4, 1, bias=False), batchnorm(4))).train()
    h = torch.randn(5, 2, 3, 3, dtype=torch.float64)
    with torch.no_grad():
        y = chain(h)
    normal = (y - chain.get_submodule("1").bias.view(-1, 1, 1)) / chain.get_submodule("1").weight.view(-1, 1, 1)
    torch.testing.assert_close(normal.mean((0, 2, 3)), torch.zeros(4, dtype=torch.float64))


def test_names_are_those_of_a_sequential() -> None:
    layers = [batchnorm(2), nn.SiLU(), LengthConv(2, 3, 1)]
    assert list(Chain(*layers).state_dict()) == list(nn.Sequential(*layers).state_dict())
