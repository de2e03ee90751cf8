"""Shared networks: fewer weights, one gradient, and nothing stored twice."""

from __future__ import annotations

import copy

import pytest
import torch
from families import FAMILIES, data, family
from torch import nn

from hvae.config.counts import least_tensors
from hvae.config.maps import Share
from hvae.config.model import LadderConfig
from hvae.nn import Recomputed
from hvae.nn.shared import Borrowed, Pool
from hvae.zoo import build

SHARES: tuple[Share, ...] = ("none", "levels", "ways", "both")


def test_a_borrowed_network_gathers_both_gradients() -> None:
    [owner] = (pool := Pool())("key", lambda: [nn.Linear(2, 2, bias=False)])
    [lent] = pool("key", lambda: [nn.Linear(2, 2, bias=False)])
    x = torch.randn(3, 2)
    (owner(x) + 2 * lent(x)).sum().backward()
    torch.testing.assert_close(owner.weight.grad, 3 * x.sum(0).expand(2, 2))
    assert isinstance(lent, Borrowed) and not list(lent.parameters())


def test_a_copy_borrows_from_the_copy() -> None:
    """A running average is a copy of the model: its borrowed networks must be its own."""
    model = family("ladder-shared-both")
    other = copy.deepcopy(model)
    with torch.no_grad():
        for w in model.parameters():
            w.zero_()
    lent = [part._lent[0] for part in other.modules() if isinstance(part, Borrowed)]
    assert lent and all(any(part is own for own in other.modules()) for part in lent)
    assert any(w.any() for part in lent for w in part.parameters())


@pytest.mark.parametrize("share", SHARES)
def test_what_is_shared(share: Share) -> None:
    config = LadderConfig(groups=(1, 3), width=8, latent=2, blocks=2, share=share)
    model = build(config, (1, 6, 5), 1)
    block, network = 2 * (8 * 8 * 9 + 8), 8 * 8 * 9 + 8
    prior, posterior, inject = network + 8 * 12 + 12, network + 8 * 8 * 9 + 8 * 4 + 4, 2 * 8 + 8
    levels = 2 if share in ("levels", "both") else 4
    ways = 1 if share in ("ways", "both") else 2
    rest = (8 * 9 + 8) + (8 * 8 * 9 + 8) + 8 * 3 * 3 + (8 * 9 + 1)  # first, halving, start, leave
    assert sum(w.numel() for w in model.parameters()) == levels * (prior + posterior + inject + ways * 2 * block) + rest
    assert 0 < least_tensors(config) <= len(list(model.parameters()))


def test_nothing_is_stored_twice() -> None:
    model = family("ladder-shared-both")
    state = model.state_dict()
    assert len(state) == len({w.data_ptr() for w in state.values()}) == len(list(model.parameters()))


@pytest.mark.parametrize("share", SHARES[1:])
def test_sharing_is_equality_of_weights(share: Share) -> None:
    """A model without sharing whose weights happen to be equal gives the same numbers."""
    model = family(f"ladder-shared-{share}")
    free = build(LadderConfig(groups=(1, 2), width=8, latent=2), (1, 6, 5), 1).double().eval()
    for (_, ours), (_, theirs) in zip(parts(model), parts(free), strict=True):
        theirs.load_state_dict(ours.state_dict())
    x = data()
    totals = []
    for one in (model, free):
        torch.manual_seed(3)
        totals.append(one(x).elbo())
    torch.testing.assert_close(*totals, rtol=1e-12, atol=0)


def parts(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Each network with weights by its place, also where it is borrowed or recomputed."""
    found: list[tuple[str, nn.Module]] = []
    for name, child in model.named_children():
        child = child._lent[0] if isinstance(child, Borrowed) else child
        child = child.network if isinstance(child, Recomputed) else child
        leaf = isinstance(child, nn.Conv2d) or bool(child._parameters)
        found += [(name, child)] if leaf else parts(child)
    return found


def test_families_are_covered() -> None:
    assert {f"ladder-shared-{share}" for share in SHARES[1:]} <= set(FAMILIES)
