from __future__ import annotations

import pytest
import torch
from linear_gaussian import BottomUpGaussian, LinearGaussian, TopDownGaussian

from hvae.distributions import Bernoulli, Flowed, Normal
from hvae.errors import HvaeError
from hvae.metrics.regret import improvable, regret
from hvae.refine import Nudged
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


def test_posteriors_that_cannot_move_are_refused() -> None:
    with pytest.raises(HvaeError, match="expected posteriors with a location and a scale to improve upon, got Bernou"):
        Nudged()(Site("z1", q=Bernoulli(torch.zeros(2, 1))))


def test_a_flow_moves_with_its_base() -> None:
    flow, draw = Flowed(Normal(torch.zeros(2, 1), torch.ones(2, 1)), lambda z: (2 * z, torch.zeros_like(z))), Nudged()
    draw(Site("z1", q=flow))
    shift, _ = draw.moves["z1", None]
    with torch.no_grad():
        shift += 5
    moved = draw(Site("z1", q=flow)).proposal
    assert isinstance(moved, Flowed) and torch.equal(moved.mean(), torch.full((2, 1), 10.0))


def test_whether_a_regret_can_be_had_is_known_after_one_walk() -> None:
    x = torch.randn(1, 5, dtype=torch.float64)
    improvable(TopDownGaussian(1), x)
    with pytest.raises(HvaeError, match="got Bernoulli; a regret"):
        improvable(Coins(), x)


class Coins(TopDownGaussian):
    """A level of bits."""

    def off(self, name: str, q: Normal) -> Bernoulli:
        return Bernoulli(q.loc)
