from __future__ import annotations

import pytest
import torch
from linear_gaussian import BottomUpGaussian, LinearGaussian, TopDownGaussian

from hvae.distributions import Normal
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.objectives import ELBO, Balance, Beta, FreeBits, WarmUp, first_nonfinite
from hvae.site import Site
from hvae.walk import Evidence, Trace, Visit, run


def data(n: int = 64) -> torch.Tensor:
    return torch.randn(n, 5, dtype=torch.float64)


@pytest.fixture(params=[TopDownGaussian, BottomUpGaussian])
def model(request: pytest.FixtureRequest) -> LinearGaussian:
    return request.param(2).loosened()


def test_plain_elbo_is_minus_the_trace_elbo(model: LinearGaussian) -> None:
    trace = model(data())
    total, terms = ELBO()(trace, 0)
    torch.testing.assert_close(total, -trace.elbo().mean())
    torch.testing.assert_close(terms["elbo"], trace.elbo().mean())
    torch.testing.assert_close(terms["log_likelihood"], trace.log_likelihood().mean())
    for name, rate in trace.rates().items():
        torch.testing.assert_close(terms[f"rate/{name}"], rate.mean())
    assert set(terms) == {"loss", "penalty", "elbo", "log_likelihood", "rate/z1", "rate/z2"}
    assert all(t.ndim == 0 and not t.requires_grad for t in terms.values()) and total.requires_grad


def test_elbo_is_below_log_p_and_meets_it_at_the_exact_posterior(model: LinearGaussian) -> None:
    x = data(2000)
    exact = type(model)(2)
    # With the exact posterior the ELBO is log p(x) in expectation; single draws scatter around it.
    gap = (exact(x).elbo() - exact.log_evidence(x)).detach()
    assert gap.mean().abs() < 4 * gap.std() / 2000**0.5
    assert -ELBO()(model(x), 0).total < exact.log_evidence(x).mean() - 0.1


def test_a_level_whose_prior_hangs_on_its_own_value_is_sampled() -> None:
    # Bottom-up, z2 is drawn given z1 and p(z1 given z2) given z2: averaging z1 in closed form at that fixed z2 would
    # forget that they hang together, and the sum of the rates would not be the ELBO's.
    assert BottomUpGaussian(2)(data()).estimators() == {"z1": "sampled", "z2": "analytic"}
    assert TopDownGaussian(2)(data()).estimators() == {"z2": "analytic", "z1": "analytic"}


def test_several_samples_are_averaged(model: LinearGaussian) -> None:
    x = data(4)
    objective = ELBO(samples=3)
    trace = run(model, posterior, model.evidence(x).repeat(objective.samples))
    torch.testing.assert_close(objective(trace, 0).total, -trace.elbo().view(4, 3).mean(1).mean())


def test_reweighing_changes_the_loss_but_not_what_is_reported(model: LinearGaussian) -> None:
    trace = model(data())
    plain = ELBO()(trace, 0).terms
    warmup = WarmUp(length={"z2": 100})
    total, terms = ELBO(Beta({"z1": 3.0}), warmup=warmup)(trace, 25)
    rates = {name: rate.mean() for name, rate in trace.rates().items()}
    torch.testing.assert_close(total, 3.0 * rates["z1"] + 0.25 * rates["z2"] - trace.log_likelihood().mean())
    assert terms["warmup/z2"] == 0.25 and "warmup/z1" not in terms
    for name in ("elbo", "log_likelihood", "rate/z1", "rate/z2"):
        assert torch.equal(terms[name], plain[name])


def gradient(objective: ELBO, step: int, level: str) -> torch.Tensor:
    """Of the spread of one level's posterior, whose exact optimum is known."""
    torch.manual_seed(5)
    model = TopDownGaussian(2).loosened()
    objective(model(data()), step).total.backward()
    return model.spread[level].grad


def test_beta_and_warm_up_scale_the_gradient_of_their_level_alone() -> None:
    # The rate's part of the gradient is linear in its weight, so three weights lie on a line.
    at = [gradient(ELBO(Beta({"z1": b})), 0, "z1") for b in (0.0, 1.0, 2.0)]
    torch.testing.assert_close(at[2] - at[1], at[1] - at[0])
    assert (at[1] - at[0]).abs().min() > 1e-3
    halfway = gradient(ELBO(warmup=WarmUp(length={"z1": 10})), 5, "z1")
    torch.testing.assert_close(halfway, 0.5 * (at[0] + at[1]))
    # z1 is drawn after z2, so the weight of the rate of z2 cannot reach the spread of z1.
    torch.testing.assert_close(gradient(ELBO(Beta({"z2": 7.0})), 0, "z1"), at[1])


def test_under_its_floor_a_level_feels_the_likelihood_only() -> None:
    free = gradient(ELBO(FreeBits({"z1": 1e6})), 0, "z1")
    torch.testing.assert_close(free, gradient(ELBO(Beta({"z1": 0.0})), 0, "z1"))


def test_unknown_levels_are_named(model: LinearGaussian) -> None:
    with pytest.raises(HvaeError, match="no level named 'z7'"):
        ELBO(Beta({"z7": 2.0}))(model(data()), 0)


def test_compiles_as_one_graph_and_follows_the_step() -> None:
    torch.compiler.reset()
    model, x = TopDownGaussian(2).loosened(), data(8)
    warmup = WarmUp(length=100, floor=1e-4)
    objective = ELBO(Balance(warmup), FreeBits(0.1, "channel"), Beta({"z2": 2.0}), warmup=warmup)

    def loss(x: torch.Tensor, step: int) -> torch.Tensor:
        return objective(run(model, posterior, model.evidence(x)), step).total

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    for step in (0, 1, 7, 30, 31, 99, 100, 1000):
        torch.manual_seed(step)
        got = compiled(x, step)
        torch.manual_seed(step)
        torch.testing.assert_close(got, loss(x, step))


def spoiled(name: str, *, spread: float = 0.0, shift: float = 0.0) -> Trace:
    model = TopDownGaussian(2)
    model.spread[name].data.fill_(spread)
    model.shift[name].data.fill_(shift)
    return model(data(4))


def test_first_nonfinite_names_level_and_term() -> None:
    assert first_nonfinite(spoiled("z2")) is None
    assert first_nonfinite(spoiled("z2", shift=float("nan"))) == "value of z2"
    # A scale of zero gives a finite value whose rate is infinite.
    assert first_nonfinite(spoiled("z1", spread=float("-inf"))) == "rate of z1"
    assert first_nonfinite(spoiled("z1", shift=1e200)) == "rate of z1"
    assert first_nonfinite(TopDownGaussian(1)(torch.full((2, 5), float("nan"), dtype=torch.float64))) == "value of x"
    assert first_nonfinite(Needle(1)(data(4))) == "log-likelihood of x"
    assert first_nonfinite(Penal(1)(data(4))) == "penalty of z1"


class Needle(TopDownGaussian):
    """A likelihood so narrow that its logarithm overflows."""

    def emit(self, visit: Visit, z: torch.Tensor, evidence: Evidence) -> torch.Tensor:
        loc = z @ self.weight().T
        return visit(Site("x", Normal(loc, torch.full_like(loc, 1e-200)), value=evidence.x, data=True))


class Fined(Normal):
    def penalty(self) -> torch.Tensor:
        return self.loc.new_full((len(self.loc),), float("inf"))


class Penal(TopDownGaussian):
    def off(self, name: str, q: Normal) -> Normal:
        return Fined(q.loc, q.scale)
