from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from linear_gaussian import BottomUpGaussian, TopDownGaussian
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import mutual_info_score
from torch import Tensor

from hvae.errors import HvaeError
from hvae.metrics.codes import Codes, Kind, codes
from hvae.metrics.disentangle import disentanglement
from hvae.metrics.factors import DCI, as_factors, dci, factor_vae_score, mig, mutual_information, sap

SIZES = (6, 6, 5, 4)


@pytest.fixture(scope="module")
def factors() -> Tensor:
    """Every combination of four factors, thrice, in random order."""
    grid = torch.cartesian_prod(*[torch.arange(n) for n in SIZES]).repeat(3, 1)
    return grid[torch.randperm(len(grid), generator=torch.Generator().manual_seed(0))]


def scores(code: Tensor, factors: Tensor) -> dict[str, float]:
    level = disentanglement(Codes("means", {"z1": code}), factors).levels["z1"]
    return {
        "mig": level.mig,
        "d": level.dci_disentanglement,
        "c": level.dci_completeness,
        "i": level.dci_informativeness,
        "sap": level.sap,
        "factor": level.factor_vae,
    }


def perfect(factors: Tensor) -> Tensor:
    """A dimension for each factor, at scales of their own, a little noise, and two dimensions of noise alone."""
    random = torch.Generator().manual_seed(1)
    own = factors.double() * torch.tensor([1.0, -3.0, 0.5, 2.0], dtype=torch.float64)
    both = torch.cat([own, torch.randn(len(own), 2, generator=random, dtype=torch.float64)], 1)
    return both + 0.01 * torch.randn(both.shape, generator=random, dtype=torch.float64)


def rotated(code: Tensor) -> Tensor:
    """The first two dimensions, each of unit variance, turned by 45 degrees."""
    plane = (code[:, :2] - code[:, :2].mean(0)) / code[:, :2].std(0)
    turned = plane @ torch.tensor([[1.0, 1.0], [-1.0, 1.0]], dtype=code.dtype) / 2**0.5
    return torch.cat([turned, code[:, 2:]], 1)


def test_a_perfect_code_is_near_one(factors: Tensor) -> None:
    found = scores(perfect(factors), factors)
    assert all(value > 0.95 for value in found.values()), found


def test_a_permuted_code_is_near_zero(factors: Tensor) -> None:
    random = torch.Generator().manual_seed(2)
    code = perfect(factors)[torch.randperm(len(factors), generator=random)]
    result = disentanglement(Codes("means", {"z1": code}), factors).levels["z1"]
    assert abs(result.mig) < 0.02 and abs(result.sap) < 0.05
    assert result.dci_disentanglement < 0.1 and result.dci_completeness < 0.1
    assert max(result.carries.values()) < 0.05
    assert result.factor_vae < 0.3 and result.factor_vae_chance == pytest.approx(0.25, abs=0.03)


def test_an_entangling_rotation_lowers_every_score_of_separation(factors: Tensor) -> None:
    straight, turned = scores(perfect(factors), factors), scores(rotated(perfect(factors)), factors)
    for name in ("mig", "d", "c", "sap"):
        assert turned[name] < straight[name] - 0.1, name
    # Nothing is lost, only mixed.
    assert turned["i"] > 0.9


def test_two_dimensions_for_one_factor_lose_completeness_and_gap(factors: Tensor) -> None:
    code = torch.cat([perfect(factors), perfect(factors)[:, :1].roll(0) ** 3], 1)
    doubled = disentanglement(Codes("means", {"z1": code}), factors, "abcd").levels["z1"]
    assert doubled.mig_by_factor["a"] < 0.3 < 0.95 < doubled.mig_by_factor["b"]
    assert doubled.dci_disentanglement > 0.95


def test_a_factor_that_is_missing_is_named(factors: Tensor) -> None:
    code = perfect(factors)[:, 1:]
    level = disentanglement(Codes("means", {"z1": code}), factors, ["w", "x", "y", "z"]).levels["z1"]
    assert level.carries["w"] < 0.05 and level.mig_by_factor["w"] < 0.02
    assert min(level.carries[name] for name in "xyz") > 0.99


def test_the_order_and_scale_of_dimensions_do_not_matter(factors: Tensor) -> None:
    code = rotated(perfect(factors))
    other = -7 * code[:, [3, 1, 0, 2, 5, 4]] + 100
    a, b = scores(code, factors), scores(other, factors)
    for name in ("mig", "i", "sap", "d", "c"):
        assert a[name] == pytest.approx(b[name], abs=0.05), name


def test_mutual_information_is_that_of_histograms(factors: Tensor) -> None:
    code, table = rotated(perfect(factors)).numpy(), factors.numpy()
    found = mutual_information(code, table)
    for d in range(3):
        edges = np.linspace(code[:, d].min(), code[:, d].max(), 21)
        binned = np.digitize(code[:, d], edges[1:-1])
        for f in range(4):
            assert found[d, f] == pytest.approx(mutual_info_score(binned, table[:, f]), abs=2e-3)


def test_mig_by_hand() -> None:
    v = np.repeat(np.arange(4), 250)
    half = v // 2
    # The first dimension tells all of log 4, the second half of it.
    code = np.stack([v, half], 1).astype(float)
    assert mig(code, v[:, None])[0] == pytest.approx(0.5)
    assert mig(code[:, :1], v[:, None])[0] == pytest.approx(1.0)
    assert mig(np.zeros((1000, 2)), v[:, None])[0] == 0.0


@pytest.mark.parametrize("change", [perfect, lambda f: perfect(f).roll(7, 0), lambda f: rotated(perfect(f))])
def test_mig_is_that_of_the_reference(change: Callable[[Tensor], Tensor], factors: Tensor) -> None:
    code, table = change(factors).numpy(), factors.numpy()
    # By the edges of numpy's histogram, and the mutual information and entropy of scikit-learn.
    cells = [np.digitize(column, np.histogram(column, 20)[1][:-1]) for column in code.T]
    shared = np.sort([[mutual_info_score(v, cell) for v in table.T] for cell in cells], 0)[::-1]
    expected = (shared[0] - shared[1]) / [mutual_info_score(v, v) for v in table.T]
    np.testing.assert_allclose(mig(code, table), expected, atol=2e-3)


def test_dci_of_a_noisy_code_is_near_that_of_boosted_trees() -> None:
    random = np.random.default_rng(0)
    v = np.stack([random.integers(4, size=1200), random.integers(3, size=1200)], 1)
    code = np.concatenate([(v - v.mean(0)) / v.std(0), np.zeros((1200, 2))], 1) + random.normal(0, 0.5, (1200, 4))
    boosted = [GradientBoostingClassifier(random_state=0).fit(code[:800], column[:800]) for column in v.T]
    expected = np.stack([trees.feature_importances_ for trees in boosted], 1)
    found = dci(code, v)
    ours = DCI(expected, found.accuracy, found.chance)
    assert found.disentanglement == pytest.approx(ours.disentanglement, abs=0.12)
    assert found.completeness == pytest.approx(ours.completeness, abs=0.12)
    accuracy = np.mean([trees.score(code[800:], v[800:, f]) for f, trees in enumerate(boosted)])
    assert found.accuracy.mean() == pytest.approx(accuracy, abs=0.04)


def test_dci_by_hand() -> None:
    # Two dimensions, two factors, each dimension the sole server of one: D = C = 1; a shared one: D = 0.
    random = np.random.default_rng(0)
    v = random.integers(3, size=(900, 2))
    clean = dci(v.astype(float), v)
    assert clean.disentanglement == pytest.approx(1.0) and clean.completeness == pytest.approx(1.0)
    assert clean.accuracy.tolist() == [1.0, 1.0]
    one = dci((3 * v[:, :1] + v[:, 1:]).astype(float), v)
    assert one.disentanglement == pytest.approx(0.0, abs=0.01)
    assert one.accuracy.tolist() == [1.0, 1.0]
    assert one.completeness == 0.0  # one dimension alone: there is nothing to be spread over


def test_sap_by_hand() -> None:
    random = np.random.default_rng(0)
    v = random.integers(4, size=(3000, 1))
    code = np.stack([v[:, 0], v[:, 0] // 2, random.random(3000)], 1)
    # The second dimension is right for half of the values: (1/2 - 1/4) / (3/4) = 1/3.
    assert sap(code, v)[0] == pytest.approx(2 / 3, abs=0.03)


def test_idle_dimensions_have_no_vote(factors: Tensor) -> None:
    table = factors.numpy()
    code = np.concatenate([perfect(factors).numpy(), 1e-6 * np.ones((len(table), 1))], 1)
    assert factor_vae_score(code, table)[0] > 0.99
    assert factor_vae_score(np.zeros_like(code), table) == (0.0, 0.25)


def test_levels_are_scored_apart_and_results_are_plain_json(factors: Tensor) -> None:
    told: list[tuple[int, int]] = []
    found = disentanglement(
        Codes("samples", {"z2": perfect(factors)[:, :2], "z1": perfect(factors)[:, 2:]}),
        factors,
        ["hair", "top", "leg", "pose"],
        dims=3,
        progress=lambda *at: told.append(at),
    )
    assert told == [(0, 2), (1, 2), (2, 2)]
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["codes"] == "samples" and plain["factors"] == {"hair": 6, "top": 6, "leg": 5, "pose": 4}
    assert list(plain["levels"]) == ["z2", "z1"]
    assert plain["levels"]["z2"]["carries"]["hair"] > 0.99 > 0.1 > plain["levels"]["z1"]["carries"]["hair"]
    assert (plain["levels"]["z1"]["dims"], plain["levels"]["z1"]["dims_used"]) == (4, 3)


def test_what_cannot_be_scored_is_refused(factors: Tensor) -> None:
    with pytest.raises(HvaeError, match=r"expected factors of shape \(10, F\)"):
        as_factors(factors, 10)
    with pytest.raises(HvaeError, match="at least 500 data"):
        as_factors(factors[:100], 100)
    with pytest.raises(HvaeError, match="one value only in factor 2"):
        as_factors(torch.stack([factors[:, 0], 0 * factors[:, 0]], 1), len(factors))
    with pytest.raises(HvaeError, match="2,160 values for 2,160 data in factor 1"):
        as_factors(torch.arange(2160)[:, None], 2160)
    with pytest.raises(HvaeError, match="expected 4 names of factors, got 1"):
        disentanglement(Codes("means", {"z1": perfect(factors)}), factors, ["a"])
    with pytest.raises(HvaeError, match="no kind of codes named 'mean'; did you mean 'means'"):
        codes(TopDownGaussian(1), [torch.zeros(2, 5, dtype=torch.float64)], "mean")


@pytest.mark.parametrize("walk", [TopDownGaussian, BottomUpGaussian])
def test_means_are_deterministic_and_samples_scatter_around_them(walk: type) -> None:
    model, x = walk(2), torch.randn(30, 5, dtype=torch.float64)
    means = codes(model, x.split(7))
    assert list(means.levels) == ["z2", "z1"] and len(means) == 30
    torch.testing.assert_close(codes(model, [x], seed=5).levels, means.levels)
    samples = torch.stack([codes(model, [x], "samples", seed=s).levels["z1"] for s in range(150)])
    torch.testing.assert_close(samples.mean(0), means.levels["z1"], atol=0.25, rtol=0)
    assert samples.std(0).min() > 0.1


def test_the_dimensions_that_vary_most_are_kept_in_order() -> None:
    table = torch.randn(100, 4, dtype=torch.float64) * torch.tensor([1.0, 9.0, 2.0, 5.0])
    kept = Codes("means", {"z1": table}).varying(2).levels["z1"]
    assert torch.equal(kept, table[:, [1, 3]])
    assert math.isclose(float(Codes("means", {"z1": table}).varying(9).levels["z1"].sum()), float(table.sum()))


@pytest.mark.parametrize("kind", ["means", "samples"])
def test_codes_can_be_cut_before_they_are_a_table(kind: Kind) -> None:
    model, x = BottomUpGaussian(2, latent=3, data=7), torch.randn(40, 7, dtype=torch.float64)
    whole, cut = codes(model, x.split(9), kind), codes(model, x.split(9), kind, most=2)
    assert all(torch.equal(cut.levels[name], table) for name, table in whole.varying(2).levels.items())
    assert cut.levels["z1"].shape == (40, 2) and cut.width("z1") == whole.width("z1") == 3
