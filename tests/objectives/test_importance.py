from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from linear_gaussian import BottomUpGaussian, LinearGaussian, TopDownGaussian

from hvae.distributions import Normal
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.objectives import ELBO, IWAE, STL, DReG
from hvae.objectives.importance import log_mean_exp, rows
from hvae.site import Site
from hvae.walk import Trace, run


@pytest.fixture(params=[TopDownGaussian, BottomUpGaussian])
def model(request: pytest.FixtureRequest) -> LinearGaussian:
    return request.param(2)


def traced(model: LinearGaussian, x: torch.Tensor, k: int) -> Trace:
    return run(model, posterior, model.evidence(x).repeat(k))


def test_by_hand(model: LinearGaussian) -> None:
    x = torch.randn(3, 5, dtype=torch.float64)
    trace = traced(model.loosened(), x, 4)
    # The ratio p(x, z) / q(z given x), written out: row b K + k is draw k of datum b.
    joint = sum(r.p.log_prob(r.value).sum(1) for r in trace.records.values())
    ratio = (joint - sum(r.q.log_prob(r.value).sum(1) for r in trace.latents)).exp()
    bound = torch.stack([ratio[4 * b : 4 * b + 4].mean().log() for b in range(3)])
    total, terms = IWAE(4)(trace, 0)
    torch.testing.assert_close(total, -bound.mean())
    torch.testing.assert_close(terms["iwae"], bound.mean())
    torch.testing.assert_close(terms["elbo"], trace.elbo().mean())
    torch.testing.assert_close(terms["rate/z2"], trace.rates()["z2"].mean())


def test_exact_posterior_gives_log_p_for_any_number_of_draws(model: LinearGaussian) -> None:
    x = torch.randn(6, 5, dtype=torch.float64)
    for k in (1, 2, 7):
        torch.testing.assert_close(-IWAE(k)(traced(model, x, k), 0).total, model.log_evidence(x).mean())


def test_the_bound_rises_to_log_p(model: LinearGaussian) -> None:
    x = torch.randn(100, 5, dtype=torch.float64)
    model.loosened(shift=0.4, spread=0.1)
    with torch.no_grad():
        log_weight = traced(model, x, 2048).log_weight().view(100, 2048)
    # One set of draws for every K: the means over groups can only rise with the size of the groups.
    bound = [float(log_mean_exp(log_weight.view(-1, k)).mean()) for k in (1, 8, 64, 2048)]
    assert bound == sorted(bound)
    log_p = float(model.log_evidence(x).detach().mean())
    assert bound[0] < log_p - 0.2
    assert bound[-1] == pytest.approx(log_p, abs=0.02)


def test_its_gradient_reaches_q_and_p(model: LinearGaussian) -> None:
    IWAE(5)(traced(model.loosened(), torch.randn(8, 5, dtype=torch.float64), 5), 0).total.backward()
    assert all(w.grad is not None and w.grad.abs().min() > 0 for w in model.parameters())


def test_rows_must_be_a_multiple_of_the_samples(model: LinearGaussian) -> None:
    with pytest.raises(HvaeError, match=r"expected a multiple of 5 rows, got 6; run the model on evidence.repeat\(5\)"):
        IWAE(5)(traced(model, torch.randn(6, 5, dtype=torch.float64), 1), 0)
    assert rows(torch.arange(6), 3).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_log_mean_exp_survives_huge_weights() -> None:
    huge = torch.tensor([[1e4, 1e4], [-1e4, -1e4 + math.log(3)]], dtype=torch.float64)
    torch.testing.assert_close(log_mean_exp(huge), torch.tensor([1e4, -1e4 + math.log(2)], dtype=torch.float64))


def test_compiles_as_one_graph(model: LinearGaussian) -> None:
    torch.compiler.reset()
    x = torch.randn(4, 5, dtype=torch.float64)

    def loss(x: torch.Tensor) -> torch.Tensor:
        return IWAE(3)(traced(model, x, 3), 0).total

    torch.manual_seed(1)
    got = torch.compile(loss, fullgraph=True, backend="aot_eager")(x)
    torch.manual_seed(1)
    torch.testing.assert_close(got, loss(x))


@pytest.mark.parametrize("kind", [IWAE, STL, DReG])
def test_several_draws_of_a_weighted_walk_are_no_bound(kind: type[IWAE | STL]) -> None:
    one = torch.ones(8, 2)
    for weight in (3.0, torch.full((8,), 3.0)):
        trace = Trace()
        trace.note(Site("z", Normal(one, one), Normal(0 * one, one), weight=weight), one, Normal(0 * one, one))
        trace.note(Site("x", Normal(one, one), data=True), one, None)
        assert kind(1)(trace, 0).total.isfinite()
        with pytest.raises(HvaeError, match="4 draws of such a walk are no bound"):
            kind(4)(trace, 0)


@pytest.mark.parametrize("make", [IWAE, STL, lambda samples: ELBO(samples=samples)])
def test_less_than_one_draw_is_refused(make: Callable[[int], object]) -> None:
    with pytest.raises(HvaeError, match="samples: expected at least 1"):
        make(0)
