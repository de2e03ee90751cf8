"""How probable a cell is given the others, against the conditional of a Gaussian, and which cell is the oddest."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import MultivariateNormal

from hvae.datum import Datum
from hvae.errors import HvaeError
from hvae.metrics.columns import oddest, surprises
from tests.linear_gaussian import S, TopDownGaussian


def test_cells_given_the_others_are_those_of_the_exact_conditional() -> None:
    model = TopDownGaussian(1).loosened(shift=0.0, spread=0.5)
    x = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    weight = model.weight().detach()
    covariance = weight @ weight.T + S**2 * torch.eye(5, dtype=torch.float64)

    def log_p(places: list[int]) -> torch.Tensor:
        law = MultivariateNormal(torch.zeros(len(places)).double(), covariance[places][:, places])
        return law.log_prob(x[:, places])

    exact = torch.stack([log_p([d for d in range(5) if d != c]) - log_p(list(range(5))) for c in range(5)], 1)
    got = surprises(model, [x[:2], x[2:]], draws=40_000, chunk_rows=40_000)
    # Inference reads 0 for the hidden cell, which is not its posterior: weights of a wider one correct it.
    assert (got - exact).abs().max() < 0.05


def test_a_cell_that_is_not_known_has_no_surprise() -> None:
    seen = torch.tensor([[True, False, True, True, True]])
    x = torch.ones(1, 5, dtype=torch.float64)
    one = surprises(TopDownGaussian(1), [Datum(x, observed=seen)], draws=50)
    other = surprises(TopDownGaussian(1), [Datum(x.where(seen, 7.0), observed=seen)], draws=50)
    assert one.isnan().tolist() == [[False, True, False, False, False]] and torch.equal(
        one.nan_to_num(), other.nan_to_num()
    )


def test_the_oddest_cell_is_the_rarest_beside_usual_ones() -> None:
    usual = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, torch.nan]])
    odd = oddest(torch.tensor([[2.5, 15.0], [0.5, torch.nan], [4.0, 21.0], [torch.nan, torch.nan]]), usual)
    # Of three usual cells one is above 2.5, (1 + 1) / (1 + 3); of two one above 15, (1 + 1) / (1 + 2).
    assert odd.column.tolist()[:3] == [0, 0, 0] and odd.share.tolist()[:3] == pytest.approx([0.5, 1.0, 0.25])
    assert odd.nats.tolist()[:3] == [2.5, 0.5, 4.0] and odd.share[3].isnan()


def test_pictures_are_no_rows() -> None:
    from hvae.config.model import LVAEConfig
    from hvae.zoo import build

    with pytest.raises(HvaeError, match="expected a model of rows of cells"):
        surprises(build(LVAEConfig(latents=(2,), widths=(4,)), (1, 4, 4), 1), [torch.zeros(1, 1, 4, 4)])
