"""Restoration is draws of a walk: every family of images has it, walks in time are refused."""

from __future__ import annotations

import pytest
import torch
from families import FAMILIES, IN_TIME, data, family

from hvae.config.condition import ConditionConfig
from hvae.config.model import LVAEConfig
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.restoration import Diffuse, Gibbs, Grey, Metropolis, Noisy, OwnNoise, Refine, Seen, Shrunk, Way, restore
from hvae.walk import run
from hvae.zoo import build

WAYS = {"gibbs": Gibbs(sweeps=2), "metropolis": Metropolis(sweeps=2), "refine": Refine(steps=2, settle=1)}


CODED = [name for name in FAMILIES if name.startswith(("vqvae", "rqvae"))]


@pytest.mark.parametrize("name", CODED)
def test_codes_have_no_place_to_be_moved_from(name: str) -> None:
    x = data(2)
    with pytest.raises(HvaeError, match="with a location and a scale.*--way gibbs"):
        restore(family(name), Seen(x, torch.rand_like(x) < 0.5), WAYS["refine"], draws=2, seed=3)


@pytest.mark.parametrize("way", WAYS)
def test_values_that_depend_on_each_other_are_refused(way: str) -> None:
    x = data(2)
    with pytest.raises(HvaeError, match="autoregressive likelihood"):
        restore(family("pixelvae"), Seen(x, torch.rand_like(x) < 0.5), WAYS[way], draws=2, seed=3)


FILLS = [name for name in FAMILIES if not name.startswith("pixelvae")]


@pytest.mark.parametrize(("way", "name"), [(w, n) for w in WAYS for n in FILLS if w != "refine" or n not in CODED])
def test_every_family_fills_gaps(way: str, name: str) -> None:
    model, x = family(name), data(2)
    seen = torch.rand_like(x) < 0.5
    restored = restore(model, Seen(x, seen), WAYS[way], draws=2, pixels=True, seed=3)
    assert restored.draws.shape == (2, 2, 1, 6, 5) and bool(restored.joint.isfinite().all())
    assert torch.equal(restored.draws[seen[:, None].expand_as(restored.draws)].unique(), x[seen].unique())
    assert bool((restored.draws == x[:, None])[seen[:, None].expand_as(restored.draws)].all())


def test_steps_raise_the_bound_of_what_is_seen() -> None:
    model, x = family("ladder-residual"), data(4)
    observed = Seen(x, torch.rand_like(x) < 0.7)

    def bound(way: Way) -> float:
        torch.manual_seed(0)
        walks = list(way.walks(model, observed, {}, 64))
        rates = torch.stack([sum(trace.rates().values()) for trace in walks]).mean(0)  # type: ignore[arg-type]
        return float((torch.stack([observed.nats(trace["x"].law) for trace in walks]).mean(0) - rates).sum())

    assert bound(Refine(steps=0)) + 1 < bound(Refine(steps=60))


@pytest.mark.parametrize("way", WAYS)
def test_walks_in_time_are_refused(way: str) -> None:
    model, x = family(IN_TIME), data(2)
    with pytest.raises(HvaeError, match="one with 3 sites of data"):
        restore(model, Seen(x, torch.rand_like(x) < 0.5), WAYS[way], draws=1)


def test_weights_and_modes_are_left_as_they_were() -> None:
    model, x = family("lvae-conv").train(), data(2)
    before = {name: w.clone() for name, w in model.state_dict().items()}
    restore(model, Noisy(x, 0.3), Refine(steps=2), draws=1)
    assert model.training and all(w.grad is None for w in model.parameters())
    assert all(torch.equal(w, before[name]) for name, w in model.state_dict().items())


def test_linear_observations_are_met_as_closely_as_they_are_certain() -> None:
    model, y = family("vae-conv"), data(3)
    law = run(model, posterior, model.evidence(y))["x"].law
    torch.testing.assert_close(Noisy(y, 1e-6).mean(law), y, atol=1e-6, rtol=0)
    torch.testing.assert_close(Noisy(y, 1e6).mean(law), law.mean(), atol=1e-6, rtol=0)
    # Whoever has learnt from noisy pictures alone keeps nothing of theirs but by the latents.
    assert torch.equal(OwnNoise(y).mean(law), law.mean())


def test_boxes_and_greys_are_what_they_say() -> None:
    x = torch.rand(2, 3, 4, 6, dtype=torch.float64)
    small, grey = Shrunk(torch.zeros(2, 3, 2, 3), 0.1, 2), Grey(torch.zeros(2, 1, 4, 6, dtype=torch.float64), 0.1)
    for seen in (small, grey):
        y = torch.rand_like(seen.seen(x))
        # The two sides of an operator: <A x, y> = <x, A^T y>; and A v A^T of unit variances by its definition.
        torch.testing.assert_close((seen.seen(x) * y).sum(), (x * seen.back(y)).sum())
        rows = seen.back(torch.ones_like(y)) ** 2
        torch.testing.assert_close(seen.noise(torch.ones_like(x)).sum(), rows.sum())
        assert seen.start().shape == x.shape


@pytest.mark.parametrize("way", WAYS)
def test_what_a_walk_may_hide_is_no_latent_to_be_moved(way: str) -> None:
    """A model whose condition was dropped in training visits that choice too."""
    told = ConditionConfig(kind="class", classes=3, drop=0.5)
    model = build(LVAEConfig(latents=(4, 3), widths=(12, 10), condition=told), shape=(1, 6, 5), bits=1).double().eval()
    x, context = data(2), {"label": torch.tensor([0, 2])}
    restored = restore(model, Seen(x, torch.rand_like(x) < 0.5), WAYS[way], draws=2, context=context, seed=3)
    assert bool(restored.draws.isfinite().all())


@pytest.mark.parametrize(
    ("way", "numbers", "message"),
    [
        (Gibbs, {"sweeps": 0}, "sweeps: expected at least 1, got 0"),
        (Metropolis, {"sweeps": 0}, "sweeps: expected at least 1, got 0"),
        (Diffuse, {"sweeps": 0}, "sweeps: expected at least 1, got 0"),
        (Gibbs, {"sweeps": 2.5}, "sweeps: expected a whole number, got 2.5"),
        (Refine, {"steps": -1}, "steps: expected at least 0, got -1"),
        (Refine, {"settle": 1.5}, "settle: expected a whole number, got 1.5"),
        (Refine, {"rate": float("nan")}, "rate: expected a number of at least 0, in scales of a posterior, got nan"),
    ],
)
def test_ways_refuse_numbers_that_are_none(way: type[Way], numbers: dict[str, float], message: str) -> None:
    with pytest.raises(HvaeError, match=message):
        way(**numbers)
