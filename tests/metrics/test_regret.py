from __future__ import annotations

import sys

import pytest
import torch
from linear_gaussian import BottomUpGaussian, LinearGaussian, TopDownGaussian

from hvae.distributions import Flowed, Normal
from hvae.errors import HvaeError
from hvae.metrics.regret import Nudged, improvable, regret
from hvae.site import Site


@pytest.mark.parametrize("walk", [TopDownGaussian, BottomUpGaussian])
def test_an_exact_posterior_leaves_nothing_to_regret(walk: type[LinearGaussian]) -> None:
    x = torch.randn(6, 5, dtype=torch.float64)
    found = regret(walk(2), x.split(4), steps=30, rate=0.01, samples=200)
    assert found.shape == (6,) and found.abs().max() < 0.3


@pytest.mark.parametrize("walk", [TopDownGaussian, BottomUpGaussian])
def test_a_bad_posterior_is_regretted_by_as_much_as_it_loses(walk: type[LinearGaussian]) -> None:
    model, x = walk(1).loosened(shift=0.4, spread=0.3), torch.randn(5, 5, dtype=torch.float64)
    found = regret(model, [x], steps=120, rate=0.05, samples=300)
    # With one level the posterior can become exact: the regret is the gap of the ELBO.
    with torch.no_grad():
        elbo = torch.stack([model(x).elbo() for _ in range(1000)]).mean(0)
    torch.testing.assert_close(found, model.log_evidence(x).detach() - elbo, atol=0.4, rtol=0)


def test_the_model_is_left_as_it_was() -> None:
    model = TopDownGaussian(2).train()
    before = {name: w.clone() for name, w in model.state_dict().items()}
    told: list[tuple[int, int]] = []
    regret(model, [torch.randn(3, 5, dtype=torch.float64)], steps=3, progress=lambda *at: told.append(at))
    assert all(torch.equal(w, before[name]) for name, w in model.state_dict().items())
    assert model.training and all(w.grad is None for w in model.parameters()) and told[-1] == (3, 3)


def test_posteriors_that_are_not_gaussian_are_refused() -> None:
    flow = Flowed(Normal(torch.zeros(2, 1), torch.ones(2, 1)), lambda z: (2 * z, torch.zeros_like(z)))
    with pytest.raises(HvaeError, match="expected Gaussian posteriors to improve upon, got Flowed at z1"):
        Nudged()(Site("z1", q=flow))


def test_whether_a_regret_can_be_had_is_known_after_one_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = TopDownGaussian(1), torch.randn(1, 5, dtype=torch.float64)
    improvable(model, x)
    monkeypatch.setattr(sys.modules["hvae.metrics.regret"], "LocationScale", Flowed)
    with pytest.raises(HvaeError, match="got Normal at z1; leave the likelihood regret out"):
        improvable(model, x)
