"""Codes under guidance: their law against every code of a toy, w = 1 and 0, temperature, and what reads it."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from hvae import build
from hvae.config.condition import ConditionConfig
from hvae.config.vqvae import VQVAE2Config
from hvae.distributions.codebook import UniformCodes, codes_at
from hvae.draw import guided, mode, prior
from hvae.explore import sample
from hvae.models import Coded
from hvae.walk import Evidence, run

PRIORS = ("transformer", "pixelsnail", "parallel")
MANY = 20_000


def tiny(kind: str, strides: tuple[int, ...] = (1,), shape: tuple[int, ...] = (1, 1, 2)) -> Coded:
    torch.manual_seed(0)
    config = VQVAE2Config(
        strides=strides,
        codes=3,
        dims=2,
        width=8,
        hidden=4,
        blocks=1,
        prior=kind,
        prior_width=16,
        prior_layers=1,
        condition=ConditionConfig(kind="class", classes=3, drop=0.2, enters="priors"),
    )
    model = build(config, shape, bits=1)
    for level in model.levels.values():
        for weight in level.prior.parameters():
            nn.init.normal_(weight, std=0.5)
    return model.double().eval()


def twice(n: int) -> Evidence:
    """n rows of class 1, and n of none."""
    return Evidence(2 * n, context={"label": torch.tensor([1, -1]).repeat_interleave(n)})


def shares(model: Coded, weight: float) -> Tensor:
    """p(k2 given k1) p(k1) under guidance, (3, 3), by its definition, a code after the other."""
    value = torch.tensor(list(itertools.product(range(3), repeat=2))).view(-1, 1, 2)
    with torch.no_grad():
        laws = [run(model, prior(), Evidence(9, context={"label": torch.full((9,), y)}))["z1"].law for y in (1, -1)]
    with_class, free = (one.log_mass(value)[:, 0, 0].view(3, 3, 2) for one in laws)
    steered = torch.lerp(free, with_class, weight)
    first = steered[:, 0, 0].softmax(0)[:, None]
    return first * steered[:, :, 1].softmax(1)


@pytest.mark.parametrize("kind", PRIORS)
@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_codes_are_drawn_with_their_guided_probabilities(kind: str, weight: float) -> None:
    model = tiny(kind)
    with torch.no_grad():
        record = run(model, guided({"z1": weight}), twice(MANY))["z1"]
    index = torch.cdist(record.value.flatten(2).transpose(1, 2), model.levels["z1"].book.codes.double()).argmin(2)
    assert torch.equal(index[:MANY], index[MANY:]), "both halves hold one value"
    shares_drawn = torch.bincount(3 * index[:MANY, 0] + index[:MANY, 1], minlength=9).double() / MANY
    torch.testing.assert_close(shares_drawn, shares(model, weight).flatten(), rtol=0, atol=5 * math.sqrt(0.25 / MANY))


@pytest.mark.parametrize("kind", PRIORS)
def test_the_proposal_sums_to_one_and_is_what_was_drawn_from(kind: str) -> None:
    model, maps = tiny(kind), torch.tensor(list(itertools.product(range(3), repeat=2))).view(-1, 1, 2)
    value = codes_at(model.levels["z1"].book.codes, maps).double()
    with torch.no_grad():
        proposal = run(model, guided({"z1": 2.5}), twice(9))["z1"].proposal
        masses = proposal.log_prob(torch.cat([value, value])).flatten(1).sum(1).exp()
    torch.testing.assert_close(masses[:9], masses[9:])
    torch.testing.assert_close(masses[:9].view(3, 3), shares(model, 2.5), rtol=1e-9, atol=1e-12)


def test_a_colder_guided_draw_is_its_mode() -> None:
    model = tiny("transformer")
    with torch.no_grad():
        values = [run(model, guided({"z1": 3.0}, draw), twice(2))["z1"].value for draw in (prior(0.0), mode)]
    assert torch.equal(*values)


@pytest.mark.parametrize("kind", PRIORS)
def test_samples_of_two_levels_under_guidance(kind: str) -> None:
    model = tiny(kind, strides=(2, 2), shape=(1, 8, 8))
    asked = {"context": {"label": 1}, "seed": 0}
    plain, same, closer = (sample(model, 6, guidance=w, **asked) for w in (1.0, {"z1": 1.0}, {"z2": 4.0, "z1": 2.0}))
    assert torch.equal(plain, same) and not torch.equal(plain, closer)
    assert sample(model, 6, guidance=2.0, top_k=2, temperature=0.7, **asked).shape == (6, 1, 8, 8)


def test_a_uniform_level_has_nothing_to_steer() -> None:
    law = UniformCodes(torch.randn(4, 2), (6, 2, 2)).guided(3.0)
    assert law.size == (3, 2, 2) and law.log_prob(law.sample()).unique().tolist() == pytest.approx([-math.log(4)])
