"""Penalties on linear maps: closed forms, gradients, and which weights they look at."""

from __future__ import annotations

import pytest
import torch
from families import FAMILIES, family
from torch import nn
from toy_training import Data
from toys import Pair

from hvae.config import ObjectiveConfig, RegulariserConfig
from hvae.config.model import LadderConfig
from hvae.errors import HvaeError
from hvae.objectives import build
from hvae.objectives.maps import maps, orthogonal, spectral
from hvae.training.loss import Batch, LossStep
from hvae.zoo import build as built

SHAPES = [(5, 3, 3, 3), (5, 3, 3, 3), (4, 9), (9, 4), (1, 6), (6, 1)]


def weights() -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in SHAPES]


def test_spectral_is_the_sum_of_largest_singular_values_with_its_gradient() -> None:
    some = weights()
    exact = sum(torch.linalg.svdvals(w.flatten(1))[0] for w in some)
    torch.testing.assert_close(spectral(some), exact, rtol=1e-12, atol=0)
    ours, theirs = (torch.autograd.grad(total, some) for total in (spectral(some), exact))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_spectral_has_no_favourite_scale(scale: float) -> None:
    w = scale * torch.randn(7, 11)
    torch.testing.assert_close(spectral([w]), torch.linalg.svdvals(w)[0], rtol=1e-5, atol=0)


def test_a_map_of_zeros_costs_nothing() -> None:
    w = torch.zeros(3, 4, requires_grad=True)
    total = spectral([w]) + orthogonal([w])
    total.backward()
    assert total == 0 and w.grad.isfinite().all()


def test_orthogonal_is_the_sum_of_products_of_different_rows() -> None:
    some, by_hand = weights(), 0.0
    for w in some:
        rows = min(w.flatten(1), w.flatten(1).T, key=len)
        by_hand += sum((rows[i] @ rows[j]) ** 2 for i in range(len(rows)) for j in range(len(rows)) if i != j)
    torch.testing.assert_close(orthogonal(some), by_hand, rtol=1e-12, atol=1e-12)


def test_orthogonal_rows_of_any_length_cost_nothing() -> None:
    q, _ = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))
    assert orthogonal([torch.diag(torch.arange(1.0, 7.0, dtype=torch.float64)) @ q]) < 1e-20


def loss(objective: ObjectiveConfig) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    step = LossStep(Pair(), build(objective))
    torch.manual_seed(1)
    return step(Batch(Data().x), 0)


def test_they_join_the_loss_under_their_names() -> None:
    plain, without = loss(ObjectiveConfig())
    total, terms = loss(ObjectiveConfig(regulariser=RegulariserConfig(orthogonal=0.5, spectral=2.0)))
    assert set(terms) - set(without) == {"maps/orthogonal", "maps/spectral"}
    torch.testing.assert_close(total, plain + 0.5 * terms["maps/orthogonal"] + 2.0 * terms["maps/spectral"])
    assert terms["loss"] == total.detach() and not terms["maps/spectral"].requires_grad


def test_at_zero_nothing_changes() -> None:
    zero = ObjectiveConfig(regulariser=RegulariserConfig(orthogonal=0.0, spectral=0.0))
    (plain, terms), (total, others) = loss(ObjectiveConfig()), loss(zero)
    assert torch.equal(plain, total) and set(terms) == set(others)


@pytest.mark.parametrize("name", ["ladder-residual", "vdvae", "lvae-conv", "vae-mlp", "vqvae"])
def test_every_family_has_maps_that_they_move(name: str) -> None:
    model = family(name)
    total = spectral(maps(model)) + orthogonal(maps(model))
    total.backward()
    assert len(maps(model)) > 3 and all(w.grad is not None and w.grad.isfinite().all() for w in maps(model))


@pytest.mark.parametrize("name", [name for name in ("biva", "iafvae", "nvae") if name in FAMILIES])
def test_normalised_weights_are_refused(name: str) -> None:
    with pytest.raises(HvaeError, match="layers whose weights are their maps, got .*normalised; leave"):
        LossStep(family(name), build(ObjectiveConfig(regulariser=RegulariserConfig(spectral=1.0))))


def test_a_model_without_maps_is_refused() -> None:
    with pytest.raises(HvaeError, match="expected a model with linear maps"):
        maps(nn.Embedding(3, 4))


def test_a_descent_makes_a_ladder_less_steep() -> None:
    torch.manual_seed(0)
    model = built(LadderConfig(groups=(1, 1), width=8, latent=2), (1, 6, 5), 1)
    step = LossStep(model, build(ObjectiveConfig(regulariser=RegulariserConfig(spectral=1.0))))
    before, sgd = spectral(maps(model)).detach(), torch.optim.SGD(model.parameters(), lr=1e-2)
    for _ in range(5):
        sgd.zero_grad()
        step(Batch(torch.zeros(2, 1, 6, 5)), 0)[0].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        sgd.step()
    assert spectral(maps(model)).detach() < before
