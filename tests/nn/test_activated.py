"""A state and the product of its GELU as one function: values, gradients and gradients of these, as by autograd."""

from __future__ import annotations

from itertools import product as every

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hvae.nn import product
from hvae.nn.activated import branched, gelu, positionwise

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this build has no oneDNN")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "prefers_onednn", lambda: True)
    monkeypatch.setattr(product, "LARGE", 1)


def inputs(memory: torch.memory_format = torch.channels_last) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    h = torch.randn(2, 5, 3, 4).contiguous(memory_format=memory)
    return h.requires_grad_(), torch.randn(7, 5, requires_grad=True), torch.randn(7, requires_grad=True)


def plain(h: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    return h, F.conv2d(F.gelu(h), weight[:, :, None, None], bias)


def loss(h: Tensor, y: Tensor) -> Tensor:
    return (h * y[:, :5]).sin().sum() + y.square().sum()


@pytest.mark.parametrize("memory", [torch.channels_last, torch.contiguous_format])
def test_both_outcomes_and_all_gradients_are_those_of_autograd(memory: torch.memory_format) -> None:
    some = inputs(memory)
    both = branched(*some)
    assert "_Branched" in str(both[1].grad_fn)
    torch.testing.assert_close(both, plain(*some))
    ours, theirs = (torch.autograd.grad(loss(*f(*some)), some) for f in (branched, plain))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_gradients_of_gradients_are_those_of_autograd() -> None:
    some, second = inputs(), []
    for f in (branched, plain):
        first = torch.autograd.grad(loss(*f(*some)), some, create_graph=True)
        second.append(torch.autograd.grad(sum(g.square().sum() for g in first), some))
    torch.testing.assert_close(*second, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("wanted", [w for w in every([False, True], repeat=3) if any(w)])
def test_only_what_is_wanted_has_a_gradient(wanted: tuple[bool, ...]) -> None:
    some = [t.detach().requires_grad_(w) for t, w in zip(inputs(), wanted, strict=True)]
    learned = [t for t in some if t.requires_grad]
    ours, theirs = (torch.autograd.grad(loss(*f(*some)), learned) for f in (branched, plain))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("part", [0, 1])
def test_one_outcome_may_be_left_unread(part: int) -> None:
    some = inputs()
    ours, theirs = (torch.autograd.grad(f(*some)[part].sin().sum(), some, allow_unused=True) for f in (branched, plain))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_slopes_of_others_are_left_as_they_are() -> None:
    some = inputs()
    h, y = branched(*some)
    slopes = torch.randn_like(h), torch.randn_like(y)
    before = [s.clone() for s in slopes]
    torch.autograd.grad((h, y), some, slopes)
    assert all(torch.equal(a, b) for a, b in zip(before, slopes, strict=True))


def test_double_precision_takes_the_product_of_the_whole() -> None:
    h, weight, bias = (t.detach().double().requires_grad_() for t in inputs())
    same, y = branched(h, weight, bias)
    assert same is h and torch.equal(y, positionwise(gelu(h), weight, bias))
