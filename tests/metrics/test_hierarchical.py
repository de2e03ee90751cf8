"""Against linear-Gaussian hierarchies, whose log p(x) and every posterior are known."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
import torch
from families import FAMILIES, SHAPE, family
from linear_gaussian import BottomUpGaussian, LinearGaussian, TopDownGaussian
from torch import Tensor

from hvae.config.model import LVAEConfig, VAEConfig
from hvae.distributions import Normal
from hvae.errors import HvaeError
from hvae.metrics import bounds, hierarchical_bounds
from hvae.metrics.draws import Scores
from hvae.walk import Evidence, Model
from hvae.zoo import build

WALKS = [(TopDownGaussian, ["z2"]), (BottomUpGaussian, ["z1"])]
"""The walks, and the level that inference draws first."""


@pytest.fixture(params=WALKS, ids=["top-down", "bottom-up"])
def case(request: pytest.FixtureRequest) -> tuple[LinearGaussian, list[str]]:
    walk, shared = request.param
    return walk(2), shared


def data(n: int = 50) -> Tensor:
    return torch.randn(n, 5, dtype=torch.float64)


def test_the_exact_posterior_scores_log_p(case: tuple[LinearGaussian, list[str]]) -> None:
    model, shared = case
    x = data()
    result = hierarchical_bounds(model, x.split(20), shared, groups=3, samples=4, chunk_rows=50)
    exact = -model.log_evidence(x).detach()
    for found in (result.negative_hiw_nats, result.negative_group_nats, result.negative_elbo_nats):
        assert found.mean == pytest.approx(float(exact.mean()), abs=1e-9)
    assert result.gap_below_nats.mean == pytest.approx(0, abs=1e-9)
    assert result.effective_groups == pytest.approx(3) and result.data == 50 and result.dims == 5


@pytest.mark.parametrize(("groups", "samples"), [(1, 2), (2, 3)])
def test_the_weight_is_unbiased(case: tuple[LinearGaussian, list[str]], groups: int, samples: int) -> None:
    model, shared = case
    x = torch.full((1, 5), 0.4, dtype=torch.float64)
    kept: list[Scores] = []
    many = x.expand(40_000, 5).split(10_000)
    hierarchical_bounds(model.loosened(), many, shared, groups=groups, samples=samples, keep=kept.append)
    weight = (torch.cat([scores["hiw"] for scores in kept]) - model.log_evidence(x).detach()).exp()
    error = float(weight.std()) / 200
    assert error < 0.02 and abs(float(weight.mean()) - 1) < 4 * error


def test_bounds_come_in_order(case: tuple[LinearGaussian, list[str]]) -> None:
    model, shared = case
    model.loosened(0.6, 0.4)
    x = data(1).expand(6_000, 5).split(2_000)
    exact = float(model.log_evidence(x[0][:1]).detach())
    mixed = hierarchical_bounds(model, x, shared, groups=3, samples=5)
    fewer, more = (bounds(model, x, samples=k, chunk_rows=40_000) for k in (3, 15))
    order = [fewer.negative_elbo_nats, fewer.negative_iw_nats, mixed.negative_hiw_nats, more.negative_iw_nats]
    # Every step is many standard errors wide.
    for above, below in pairwise(order):
        assert above.mean - below.mean > 4 * math.hypot(above.standard_error, below.standard_error)
    assert order[-1].mean > -exact
    assert mixed.negative_elbo_nats.mean == pytest.approx(fewer.negative_elbo_nats.mean, abs=0.1)
    assert mixed.negative_group_nats.mean > mixed.negative_hiw_nats.mean


def divergence_below(model: LinearGaussian, spread: float, shift: float) -> float:
    """KL(q(v given u, x) || p(v given u, x)), the same for every u and x: q is the posterior moved and widened."""
    scale = posterior_scale(model)  # (D,)
    wide = math.exp(spread)
    return float((0.5 * (wide**2 + shift**2 / scale**2 - 1) - spread).sum())


def posterior_scale(model: LinearGaussian) -> Tensor:
    kept: dict[str, Tensor] = {}

    def off(name: str, q: Normal) -> Normal:
        kept[name] = q.scale[0].detach()
        return q

    model.off = off  # type: ignore[method-assign]
    model(data(1))
    del model.off
    return kept["z1" if isinstance(model, TopDownGaussian) else "z2"]


def test_the_gap_below_is_the_divergence_of_the_levels_below(case: tuple[LinearGaussian, list[str]]) -> None:
    model, shared = case
    exact = divergence_below(model, spread=0.25, shift=0.2)
    model.loosened(0.2, 0.25)
    x = data(400)
    few, many = (
        hierarchical_bounds(model, [x], shared, groups=8, samples=k, chunk_rows=50_000).gap_below_nats for k in (2, 300)
    )
    assert few.mean < 0.8 * exact, "a lower bound"
    assert many.mean == pytest.approx(exact, abs=0.01)


def test_an_error_of_the_shared_levels_alone_is_no_gap_below(case: tuple[LinearGaussian, list[str]]) -> None:
    model, shared = case
    torch.nn.init.constant_(model.shift[shared[0]], 0.5)
    result = hierarchical_bounds(model, [data()], shared, groups=4, samples=5)
    assert result.gap_below_nats.mean == pytest.approx(0, abs=1e-9)
    assert result.negative_elbo_nats.mean > result.negative_hiw_nats.mean + 0.1


def test_memory_is_bounded_and_evidence_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    rows: list[int] = []
    features, walk = TopDownGaussian.features, TopDownGaussian.walk

    def walking(model: TopDownGaussian, visit: object, evidence: Evidence) -> Tensor:
        rows.append(evidence.n)
        return walk(model, visit, evidence)  # type: ignore[arg-type]

    monkeypatch.setattr(TopDownGaussian, "features", lambda s, d: seen.append(len(d)) or features(s, d))
    monkeypatch.setattr(TopDownGaussian, "walk", walking)
    told: list[tuple[int, int]] = []
    hierarchical_bounds(
        TopDownGaussian(3),
        data(10).split(6),
        ["z3", "z2"],
        groups=5,
        samples=20,
        chunk_rows=30,
        progress=lambda *at: told.append(at),
    )
    assert max(rows) <= 30 and seen == [1, 6, 4]
    assert told[-1] == (200, 200)


def test_an_interrupted_measurement_goes_on_to_the_same_bits(case: tuple[LinearGaussian, list[str]]) -> None:
    model, shared = case
    model.loosened()
    x, kept = data(20), []
    expected = hierarchical_bounds(model, x.split(8), shared, groups=2, samples=3, seed=1, keep=kept.append)
    again = hierarchical_bounds(model, x.split(8), shared, groups=2, samples=3, seed=1, done=kept[:2])
    assert again == expected and len(kept) == 3
    assert hierarchical_bounds(model, x.split(8), shared, groups=2, samples=3, seed=2) != expected


def test_a_mass_has_bits_and_results_are_plain_json() -> None:
    model = build(LVAEConfig(latents=(3, 2, 2), widths=(8, 8, 8)), shape=(1, 4, 4), bits=1)
    result = hierarchical_bounds(model, [torch.ones(4, 1, 4, 4)], ["z3", "z2"], groups=2, samples=3)
    assert result.likelihood == "mass" and result.hiw_bits_per_dim is not None
    assert result.hiw_bits_per_dim.mean == pytest.approx(result.negative_hiw_nats.mean / 16 / math.log(2))
    assert json.loads(json.dumps(result.to_dict()))["shared"] == ["z3", "z2"]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family(name: str) -> None:
    model = family(name)
    x = torch.ones(2, *SHAPE, dtype=torch.float64)
    with torch.no_grad():
        levels = list(dict.fromkeys(record.name for record in model(x).latents))
    if len(levels) == 1:
        return
    result = hierarchical_bounds(model, [x], levels[:1], groups=2, samples=3)
    # By Jensen's inequality, draw for draw.
    is_certain = name.startswith(("vqvae", "rqvae")) and not name.endswith(
        "stochastic"
    )  # one code has all the probability: every draw is the same
    assert result.nonfinite_data == 0 and (result.gap_below_nats.mean > 1e-12) != is_certain
    assert result.negative_hiw_nats.mean <= result.negative_group_nats.mean


@pytest.mark.parametrize(
    ("model", "shared", "line"),
    [
        (
            TopDownGaussian(2),
            ["z1"],
            "the levels that inference draws first, but not all of z2, z1, to be shared; got z1",
        ),
        (TopDownGaussian(2), ["z2", "z1"], "but not all"),
        (TopDownGaussian(2), [], "got none"),
        (BottomUpGaussian(2), ["z2"], "draws first, but not all of z1, z2"),
        (TopDownGaussian(2), ["z7"], "no level named 'z7'"),
        (build(VAEConfig(latent=2, widths=(4,)), shape=(5,), bits=1), ["z1"], "but not all of z1"),
    ],
)
def test_faults_are_one_line(model: Model, shared: list[str], line: str) -> None:
    kind = next(model.parameters()).dtype
    with pytest.raises(HvaeError, match=line) as fault:
        hierarchical_bounds(model, [torch.zeros(2, 5, dtype=kind)], shared)
    assert "\n" not in str(fault.value)


def test_counts_and_data_are_asked_for() -> None:
    with pytest.raises(HvaeError, match="samples: expected at least 2"):
        hierarchical_bounds(TopDownGaussian(2), [data(2)], ["z2"], samples=1)
    with pytest.raises(HvaeError, match="got no batch"):
        hierarchical_bounds(TopDownGaussian(2), [], ["z2"])
