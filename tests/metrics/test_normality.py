from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hvae.errors import HvaeError
from hvae.metrics.normality import enough_normal, normal_ranges

Scores = dict[str, Tensor]


def drawn(n: int) -> Scores:
    """Four scores of n normal data: two that agree, one with a long tail on one side, one with long tails on both."""
    a, b, c = torch.randn(3, n, dtype=torch.float64)
    tails = torch.distributions.StudentT(3.0).sample((n,)).double()
    return {"nll": a, "llr>1": 0.8 * a + 0.6 * b, "kl": c.exp(), "complexity": 50 + 7 * tails}


@pytest.mark.parametrize(("n", "accept"), [(60, 0.9), (200, 0.95), (1000, 0.95), (1000, 0.99)])
def test_normal_data_that_set_no_range_keep_the_stated_share(n: int, accept: float) -> None:
    shares = []
    for _ in range(60):
        outside = normal_ranges(drawn(n), accept).outside(drawn(1000))
        shares.append(float((outside <= 1).double().mean()))
    assert sum(shares) / len(shares) == pytest.approx(accept, abs=0.015)


def test_scores_that_agree_cost_nothing() -> None:
    """A Bonferroni bound would give each of ten copies a tenth of the errors, and so wider ranges."""
    score = drawn(500)["nll"]
    one, ten = (normal_ranges({f"s{i}": score for i in range(count)}, 0.95) for count in (1, 10))
    assert one.high["s0"] == pytest.approx(ten.high["s9"])


def test_either_side_of_any_score_is_foreign_and_named() -> None:
    ranges = normal_ranges(drawn(1000), 0.95)
    usual = {name: torch.full((5,), middle, dtype=torch.float64) for name, middle in ranges.middle.items()}
    usual["nll"][1], usual["llr>1"][2], usual["kl"][3], usual["complexity"][3] = 9.0, -9.0, 1e4, -1e3
    usual["nll"][4] = math.nan
    outside = ranges.outside(usual)
    assert (outside > 1).tolist() == [False, True, True, True, True] and math.isinf(float(outside[4]))
    why = ranges.reasons(usual)
    assert why[0] == "" and why[1].startswith("nll above") and why[2].startswith("llr>1 below")
    assert "kl above" in why[3] and "complexity below" in why[3] and why[4] == "nll no number"


def test_a_decision_is_the_same_by_distance_and_by_range() -> None:
    ranges, scores = normal_ranges(drawn(300), 0.9), drawn(2000)
    inside = torch.stack([(s >= ranges.low[n]) & (s <= ranges.high[n]) for n, s in scores.items()]).all(0)
    assert torch.equal(inside, ranges.outside(scores) <= 1)
    assert [not why for why in ranges.reasons(scores)] == inside.tolist()


def test_a_score_without_spread_and_some_that_are_not_finite() -> None:
    scores = {"flat": torch.full((100,), 2.0), "nll": torch.cat([torch.full((2,), math.inf), torch.randn(98)])}
    ranges = normal_ranges(scores, 0.95)
    found = ranges.outside({"flat": torch.tensor([2.0, 2.1]), "nll": torch.zeros(2)})
    assert found[0] <= 1 < found[1]
    with pytest.raises(HvaeError, match="expected finite scores of normal data, got 10 of 100 of nll"):
        normal_ranges({"nll": torch.cat([torch.full((90,), math.nan), torch.randn(10)])})


@pytest.mark.parametrize("jitter", [0.0, 1e-6])
def test_a_score_that_most_data_share_does_not_open_the_ranges_of_others(jitter: float) -> None:
    """The rates of a few codes: nearly all data have one value, and the rest another."""
    for n in (24, 400):
        shared = torch.full((n,), 0.68, dtype=torch.float64) + jitter * torch.randn(n).double()
        shared[: n // 20] = 1.3
        ranges = normal_ranges({"nll": torch.randn(n).double(), "kl": shared}, 0.95)
        assert ranges.high["nll"] < 40 and ranges.low["nll"] > -40
        assert ranges.reasons({"nll": torch.tensor([0.0, 100.0]), "kl": torch.tensor([0.68, 0.68])})[0] == ""
        assert (ranges.outside({"nll": torch.tensor([100.0]), "kl": torch.tensor([0.68])}) > 1).all()


def test_faults_are_one_line() -> None:
    with pytest.raises(HvaeError, match="expected 19 normal data or more for the quantile 0.95, got 18"):
        enough_normal(18, 0.95)
    with pytest.raises(HvaeError, match="quantile between 0 and 1, got 95"):
        normal_ranges(drawn(50), 95)
