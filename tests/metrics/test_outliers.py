from __future__ import annotations

import math

import pytest
import torch
from families import data, family
from linear_gaussian import BottomUpGaussian, LinearGaussian, TopDownGaussian
from torch import Tensor
from toys import Idle

from hvae.distributions import Bernoulli, Normal
from hvae.draw import posterior, prior
from hvae.errors import HvaeError
from hvae.metrics import bounds
from hvae.metrics.cut import prior_mode
from hvae.metrics.outliers import Measured, measure, scores, usual
from hvae.site import Site
from hvae.walk import Evidence, Visit, names, run

WALKS = [TopDownGaussian, BottomUpGaussian]


@pytest.fixture(params=WALKS, ids=lambda w: w.__name__)
def model(request: pytest.FixtureRequest) -> LinearGaussian:
    return request.param(3).loosened()


def x_of(n: int = 40) -> Tensor:
    return torch.randn(n, 5, dtype=torch.float64)


def test_the_bound_is_the_bound(model: LinearGaussian) -> None:
    x = x_of()
    found = measure(model, x.split(15), bits=8)
    assert found.bound == "ELBO" and len(found) == 40 and list(found.beyond) == [1, 2, 3]
    # The draws of a batch have seeds of their own, so a mean over many is compared.
    many = torch.stack([measure(model, [x], bits=8, cuts=[], seed=s).log_p for s in range(80)]).mean(0)
    exact = run(model, posterior, model.evidence(x).repeat(500)).elbo().view(40, 500).mean(1).detach()
    assert float(many.mean()) == pytest.approx(float(exact.mean()), abs=0.2)
    torch.testing.assert_close(many, exact, atol=1.5, rtol=0)
    assert -found.log_p.mean() == pytest.approx(bounds(model, x.split(15)).negative_elbo_nats.mean, abs=0.5)


def test_many_samples_make_an_importance_weighted_bound() -> None:
    model, x = TopDownGaussian(2), x_of(10)
    found = measure(model, [x], bits=8, samples=5, chunk_rows=20)
    assert found.bound == "IW-5"
    torch.testing.assert_close(found.log_p, model.log_evidence(x).detach())


@pytest.mark.parametrize("walk", WALKS)
def test_all_levels_redrawn_is_the_likelihood_under_the_prior(walk: type[LinearGaussian]) -> None:
    model, x = walk(3), x_of()
    # At the mode of every prior all latents are 0: the datum is N(0, S^2).
    exact = Normal(torch.zeros_like(x), torch.full_like(x, 0.5)).log_prob(x).sum(1)
    torch.testing.assert_close(measure(model, [x], bits=8).beyond[3], exact)


def test_drawn_from_the_prior_it_is_a_lower_bound() -> None:
    model, x = TopDownGaussian(2), x_of(5)
    found = measure(model, [x], bits=8, samples=4000, lower=prior())
    exact = model.log_evidence(x).detach()
    for k in (1, 2):
        # With so many samples even the prior finds log p(x).
        torch.testing.assert_close(found.beyond[k], exact, atol=1.0, rtol=0)
    one = torch.stack([measure(model, [x], bits=8, lower=prior(), seed=s).beyond[1] for s in range(50)]).mean(0)
    assert (one < exact).all()


def test_levels_above_the_cut_keep_their_draws() -> None:
    model, x = TopDownGaussian(3).loosened(), x_of(6)
    seen: dict[int, list[Tensor]] = {}
    walk = TopDownGaussian.walk

    class Spy(TopDownGaussian):
        def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
            values: list[Tensor] = []

            def noting(site: Site) -> Tensor:
                value = visit(site)
                values.append(value)
                return value

            result = walk(self, noting, evidence)
            if evidence.x is not None:
                seen[len(seen)] = values
            return result

    spy = Spy(3)
    spy.load_state_dict(model.state_dict())
    measure(spy, [x], bits=8)
    for k in (1, 2, 3):
        for level in range(3 - k):
            assert torch.equal(seen[0][level], seen[k][level])
        assert not torch.equal(seen[0][3 - k], seen[k][3 - k])


def test_redrawn_levels_cost_nothing(model: LinearGaussian) -> None:
    x = x_of(4)
    for k in (1, 2, 3):
        lowest = names(model)[-k:]
        trace = run(model, prior_mode, model.evidence(x))
        assert all(trace[name].rate().abs().max() == 0 for name in lowest)
        assert all(torch.equal(trace[name].value, trace[name].p.mode()) for name in lowest)


def test_no_levels_cut_means_no_difference(model: LinearGaussian) -> None:
    """LLR>0 is L - L: nothing."""
    found = measure(model, [x_of()], bits=8, cuts=[])
    assert found.beyond == {}
    again = measure(model, [x_of()], bits=8, cuts=[1])
    assert sorted(scores(again, usual(again))) == [
        "kl",
        "kl/z1",
        "kl/z2",
        "kl/z3",
        "llr>1",
        "nll",
        "nll>1",
        "typicality",
    ]


def toy(n: int = 200) -> Measured:
    torch.manual_seed(4)
    rates = {"z2": 5 + 2 * torch.randn(n).double(), "z1": 50 + 10 * torch.randn(n).double()}
    log_p = -100 - 5 * torch.randn(n).double()
    return Measured(
        bound="ELBO", log_p=log_p, beyond={1: log_p - 20}, rates=rates, png=torch.full((n,), 300.0).double()
    )


def test_scores_by_hand() -> None:
    measured = toy()
    reference = usual(measured)
    found = scores(measured, reference)
    torch.testing.assert_close(found["nll"], -measured.log_p)
    torch.testing.assert_close(found["llr>1"], torch.full((200,), 20.0).double())
    torch.testing.assert_close(found["nll>1"], -measured.log_p + 20)
    torch.testing.assert_close(found["complexity"], -measured.log_p / math.log(2) - 300)
    torch.testing.assert_close(found["typicality"], (measured.log_p - measured.log_p.mean()).abs())
    z1 = measured.rates["z1"]
    torch.testing.assert_close(found["kl/z1"], ((z1 - z1.mean()) / z1.std()).abs())
    # The mean square of a Mahalanobis distance over its own data is the number of levels.
    assert float(found["kl"].square().mean()) == pytest.approx(2, abs=0.03)


def test_a_rate_far_off_on_either_side_is_foreign() -> None:
    reference = usual(toy())
    low, high = (
        scores(
            Measured(
                bound="ELBO",
                log_p=torch.tensor([-100.0]).double(),
                beyond={},
                png=None,
                rates={"z2": torch.tensor([5.0]).double(), "z1": torch.tensor([at]).double()},
            ),
            reference,
        )
        for at in (0.0, 100.0)
    )
    for found in (low, high):
        assert float(found["kl/z1"]) == pytest.approx(5, abs=0.6)
        assert float(found["kl"]) == pytest.approx(5, abs=0.6)


def test_levels_that_always_agree_leave_a_direction_without_variance() -> None:
    measured = toy()
    twice = Measured(
        bound="ELBO",
        log_p=measured.log_p,
        beyond={},
        png=None,
        rates={"z2": measured.rates["z1"], "z1": measured.rates["z1"], "z0": torch.zeros(200).double()},
    )
    found = scores(twice, usual(twice))
    assert all(column.isfinite().all() for column in found.values())


def test_complexity_takes_the_bits_of_a_picture_off_those_of_the_model() -> None:
    x = torch.bernoulli(torch.full((12, 1, 8, 8), 0.5)).double()
    measured = measure(Idle((1, 8, 8), Bernoulli), [x], bits=1)
    found = scores(measured, usual(measured))
    torch.testing.assert_close(found["complexity"], 64 - measured.png)


def test_densities_have_no_complexity() -> None:
    measured = measure(TopDownGaussian(1), [x_of(20)], bits=8)
    assert measured.png is None and "complexity" not in scores(measured, usual(measured))


@pytest.mark.parametrize("name", ["vae-conv", "markov-mlp", "lvae-mlp-precision", "vlae-mlp", "ladder-residual"])
def test_families(name: str) -> None:
    model, x = family(name), data(15)
    told: list[tuple[int, int]] = []
    found = measure(model, x.split(10), bits=1, samples=2, progress=lambda *at: told.append(at))
    assert list(found.rates) == names(model) and len(found.beyond) == len(names(model))
    assert told[-1] == (4 * (1 + len(names(model))),) * 2
    assert all(column.isfinite().all() for column in scores(found, usual(found)).values())
    again = measure(model, x.split(10), bits=1, samples=2)
    assert torch.equal(again.log_p, found.log_p)


def test_faults_are_one_line(model: LinearGaussian) -> None:
    with pytest.raises(HvaeError, match="expected cuts from 1 to 3, the levels of this model, got 4"):
        measure(model, [x_of()], bits=8, cuts=[4])
    with pytest.raises(HvaeError, match="samples: expected at least 1"):
        measure(model, [x_of()], bits=8, samples=0)
    with pytest.raises(HvaeError, match="13 normal data or more to know what is usual, got 12"):
        usual(measure(model, [x_of(12)], bits=8))
    with pytest.raises(HvaeError, match="got no batch"):
        measure(model, [], bits=8)
