"""What is understood of each column: reconstructions that sum to that of the bound, and marginals by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal

from hvae.config.model import VAEConfig
from hvae.datum import Datum
from hvae.distributions import standard_normal
from hvae.distributions.columns import Columns, Names, Wholes
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.metrics.cells import by_column, law_of, marginals, reconstructions
from hvae.seeds import noise_seed, reseed
from hvae.walk import Model, run, still
from hvae.zoo import build

KINDS = ("real", "whole:5", "name:3")


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return build(VAEConfig(likelihood="columns", columns=KINDS, latent=2, widths=(8,)), (3,), 16).eval()


def test_they_sum_to_the_reconstruction_of_the_bound_with_and_without_gaps(model: Model) -> None:
    x = torch.tensor([[0.3, 2 / 5, 1 / 3], [0.9, 5 / 5, 3 / 3]])
    for seen in (torch.ones(2, 3, dtype=torch.bool), torch.tensor([[True, False, True], [True, True, True]])):
        datum = Datum(x, observed=seen)
        nats = reconstructions(model, [datum], seed=3)
        assert torch.equal(nats.isnan(), ~seen)
        with still(model, 3):
            reseed(noise_seed(3, 0))
            whole = -run(model, posterior, model.evidence(datum)).log_likelihood()
        assert nats.nan_to_num().sum(1).tolist() == pytest.approx(whole.tolist(), rel=1e-5)
        result = by_column("abc", nats, nats, nats + 1, draws=1, seed=3)
        parts = [one.reconstruction_nats.mean for one in result.columns]
        assert sum(parts) == pytest.approx(result.reconstruction_nats.mean)
        assert [one.cells for one in result.columns] == seen.sum(0).tolist()
        assert [one.gain_nats.mean for one in result.columns] == pytest.approx([1.0] * 3)
        assert result.columns[0].is_understood


def test_marginals_are_those_of_counts_and_moments() -> None:
    laws = [
        standard_normal(torch.zeros(1), (1,)),
        Wholes(torch.zeros(1, 1), torch.zeros(1, 1), torch.tensor([4.0])),
        Names(torch.zeros(1, 3, 1), torch.tensor([3.0])),
    ]
    law = Columns(laws, [torch.tensor([c]) for c in (2, 0, 1)], torch.tensor([1, 2, 0]))
    gap = math.nan
    train = torch.tensor([[2 / 4, 1 / 3, 0.2], [3 / 4, 1 / 3, 0.4], [gap, 2 / 3, gap]])
    x = torch.tensor([[2 / 4, 3 / 3, 0.3], [gap, 1 / 3, 0.5]])
    got = marginals(law, train, x)
    # Of names, one more each: 3, 2 and 1 of 6.
    assert got[:, 1].tolist() == pytest.approx([-math.log(1 / 6), -math.log(3 / 6)])
    spread = Normal(torch.tensor(0.3).double(), torch.tensor(0.1).double())
    assert got[:, 2].tolist() == pytest.approx((-spread.log_prob(x[:, 2].double())).tolist(), rel=1e-5)
    # Of whole numbers, half their share, half the mass of a Gaussian between the halfway points.
    around = Normal(torch.tensor(2.5).double(), torch.tensor(0.5).double())
    mass = around.cdf(torch.tensor(2.5).double()) - around.cdf(torch.tensor(1.5).double())
    assert float(got[0, 0]) == pytest.approx(-math.log((0.5 + float(mass)) / 2), rel=1e-6) and got[1, 0].isnan()
    masses = marginals(law, train, torch.tensor([[k / 4, 1 / 3, 0.0] for k in range(1, 5)]))[:, 0]
    assert float((-masses).exp().sum()) == pytest.approx(1.0)


def test_a_column_that_was_never_known_has_a_law_and_one_that_is_not_known_has_no_row(model: Model) -> None:
    law, x = law_of(model), torch.tensor([[0.5, 1 / 5, 1 / 3]])
    assert marginals(law, torch.full((4, 3), math.nan), x).isfinite().all()
    nats = torch.tensor([[1.0, math.nan, 2.0]], dtype=torch.float64)
    assert [one.column for one in by_column("abc", nats, nats, nats, draws=1, seed=0).columns] == ["a", "c"]


def test_other_likelihoods_are_refused() -> None:
    with pytest.raises(HvaeError, match="expected a model with a law for each column"):
        law_of(build(VAEConfig(likelihood="gaussian", latent=2, widths=(8,)), (3,), 16))
