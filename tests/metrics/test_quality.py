from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor, nn

from hvae.errors import HvaeError
from hvae.metrics import train_classifier
from hvae.metrics.distances import class_score, density_coverage, fid, kid, precision_recall
from hvae.metrics.features import (
    HOME_MADE,
    Extractor,
    classifier_features,
    features_of,
    random_features,
    user_features,
)
from hvae.metrics.quality import quality


def table(n: int, d: int = 4, shift: float = 0.0, scale: float = 1.0) -> Tensor:
    return shift + scale * torch.randn(n, d, dtype=torch.float64)


def test_fid_is_that_of_the_two_gaussians() -> None:
    a, b = table(300) @ torch.randn(4, 4, dtype=torch.float64), table(200, shift=0.5, scale=2)
    s1, s2 = np.cov(a.numpy().T), np.cov(b.numpy().T)
    by_scipy = float(((a.mean(0) - b.mean(0)) ** 2).sum()) + np.trace(s1 + s2 - 2 * sqrtm(s1 @ s2).real)
    assert fid(a, b) == pytest.approx(by_scipy, rel=1e-9)
    assert fid(a, b) == pytest.approx(fid(b, a)) and fid(a, a) == pytest.approx(0, abs=1e-9)


def test_fid_in_one_dimension_by_hand() -> None:
    a, b = table(5000, 1), table(5000, 1, shift=3, scale=2)
    gap = a.mean() - b.mean()
    assert fid(a, b) == pytest.approx(float(gap**2 + (a.std() - b.std()) ** 2))


def test_fid_shrinks_with_the_number_of_pictures() -> None:
    small, large = (np.mean([fid(table(n, 8), table(n, 8)) for _ in range(5)]) for n in (50, 2000))
    assert small > 5 * large > 0


def test_fid_refuses_a_singular_covariance() -> None:
    with pytest.raises(HvaeError, match="covariance of 16 features from fewer is singular and FID meaningless; got 16"):
        fid(table(16, 16), table(100, 16))


def test_kid_is_unbiased_and_sees_a_shift() -> None:
    same, deviation = kid(table(1500), table(1500), subset=200)
    assert abs(same) < 4 * deviation / 10 + 0.02
    assert kid(table(500), table(500, shift=1.0), subset=200)[0] > 0.5
    with pytest.raises(HvaeError, match="expected 100 pictures or more on both sides for KID, got 99 and 500"):
        kid(table(99), table(500))


def test_kid_by_hand() -> None:
    a, b = table(120, 2), table(120, 2, shift=0.3)

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / 2 + 1) ** 3

    off = ~torch.eye(120, dtype=torch.bool)
    exact = kernel(a, a)[off].mean() + kernel(b, b)[off].mean() - 2 * kernel(a, b).mean()
    found, deviation = kid(a, b)
    assert found == pytest.approx(float(exact)), "of all rows, where there are no more than a subset would have"
    others = torch.tensor([kid(table(120, 2), table(120, 2, shift=0.3))[0] for _ in range(40)])
    assert 0.5 * others.std() < deviation < 4 * others.std(), "subsets are halves, so that they can differ"


def test_kid_of_unequal_sides_does_not_depend_on_the_order_of_either() -> None:
    a, b = table(150, 2), table(1200, 2).sort(0).values
    off = ~torch.eye(len(b), dtype=torch.bool)

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / 2 + 1) ** 3

    exact = kernel(a, a)[off[:150, :150]].mean() + kernel(b, b)[off].mean() - 2 * kernel(a, b).mean()
    assert kid(a, b)[0] == pytest.approx(float(exact))
    assert kid(b, a)[0] == pytest.approx(float(exact))


def test_kid_of_sorted_sets_is_that_of_the_same_sets_in_any_order() -> None:
    """Ten far classes in order: the first rows of the larger side would be one class."""
    real, generated = (torch.arange(10.0).repeat_interleave(n)[:, None] * 5 + table(10 * n, 4) for n in (1300, 40))
    found, deviation = kid(real, generated)
    mixed, _ = kid(real[torch.randperm(len(real))], generated)
    assert abs(found) < 4 * deviation and abs(mixed) < 4 * deviation and deviation > 0


@pytest.mark.parametrize("order", ["sorted", "cycled"])
def test_an_inception_score_does_not_depend_on_the_order_of_samples(order: str) -> None:
    sure = torch.eye(10, dtype=torch.float64)
    samples = sure.repeat_interleave(200, 0) if order == "sorted" else sure.repeat(200, 1)
    assert class_score(samples)[0] == pytest.approx(10, abs=0.5)


def test_precision_and_recall_tell_narrow_from_wide() -> None:
    real = table(400, 2)
    precision, recall = precision_recall(real, table(400, 2, scale=0.2))
    assert precision > 0.95 and recall < 0.6
    precision, recall = precision_recall(real, table(400, 2, scale=4))
    assert precision < 0.6 and recall > 0.8
    assert precision_recall(real, real) == (1.0, 1.0)
    assert precision_recall(real, real + 100) == (0.0, 0.0)


def test_density_and_coverage_by_hand() -> None:
    real = torch.arange(10.0)[:, None].double()
    # k = 1: each ball reaches the neighbour, one away.
    density, coverage = density_coverage(real, torch.tensor([[4.5]]).double(), k=1)
    assert density == 2.0 and coverage == pytest.approx(0.2)
    assert density_coverage(real, real + 100, k=1) == (0.0, 0.0)
    x = table(1000, 3)
    density, coverage = density_coverage(x, table(1000, 3))
    # Naeem et al., sec. 3.3: equal distributions have density 1 and coverage 1 - 1/2^k.
    assert density == pytest.approx(1, abs=0.1) and coverage == pytest.approx(1 - 0.5**5, abs=0.03)
    with pytest.raises(HvaeError, match="more than 5 pictures to know their 5 nearest, got 5"):
        density_coverage(real[:5], real)


def test_class_score_runs_from_one_to_the_number_of_classes() -> None:
    sure = torch.eye(5, dtype=torch.float64)
    assert class_score(sure.repeat(800, 1))[0] == pytest.approx(5, abs=0.1), "each split is a sample of its own"
    assert class_score(sure[:1].repeat(200, 1))[0] == pytest.approx(1)
    assert class_score(torch.full((200, 5), 0.2))[0] == pytest.approx(1, abs=1e-6)
    with pytest.raises(HvaeError, match=r"50 pictures or more \(10 splits, 5 classes\), got 49"):
        class_score(sure.repeat(10, 1)[:49])


def pictures(n: int, bright: float = 0.5) -> Tensor:
    return (bright + 0.2 * torch.randn(n, 1, 12, 12)).clamp(0, 1)


def test_the_whole_result_names_what_it_was_measured_with() -> None:
    extractor = Extractor(name="means", network=lambda x: x.unfold(2, 6, 6).unfold(3, 6, 6).mean((1, 4, 5)).flatten(1))
    same = quality(pictures(300).split(100), pictures(300).split(64), extractor)
    other = quality(pictures(300).split(100), pictures(300, bright=0.7).split(64), extractor)
    assert same.fid < 0.1 * other.fid and same.kid < other.kid and same.coverage > 0.9 > other.coverage
    plain = json.loads(json.dumps(same.to_dict(), allow_nan=False))
    assert plain["extractor"] == "means" and plain["note"] == HOME_MADE and plain["resizing"] == "none"
    assert (plain["real"], plain["generated"], plain["features"]) == (300, 300, 4)


def test_random_features_are_the_same_everywhere_and_tell_patterns_apart() -> None:
    x = torch.rand(300, 3, 16, 16)
    first, again = random_features(3)(x), random_features(3)(x)
    assert torch.equal(first, again) and first.shape == (300, 256)
    assert not torch.equal(first, random_features(3, seed=1)(x))
    state = torch.get_rng_state()
    random_features(3)
    assert torch.equal(state, torch.get_rng_state())
    # The same pixels, their neighbourhoods destroyed.
    smooth, other = torch.nn.functional.avg_pool2d(torch.rand(600, 3, 18, 18), 3, 1).chunk(2)
    shuffled = smooth.flatten(2)[:, :, torch.randperm(256)].view_as(smooth)
    found = [random_features(3)(pictures) for pictures in (smooth, other, shuffled)]
    assert fid(found[0], found[2]) > 3 * fid(found[0], found[1])


def test_pictures_are_brought_to_what_the_network_wants() -> None:
    seen: list[tuple[int, ...]] = []
    extractor = Extractor(name="x", network=lambda x: (seen.append(x.shape), x.flatten(1))[1], channels=3, size=8)
    extractor(torch.rand(2, 1, 5, 7))
    assert seen == [(2, 3, 8, 8)] and extractor.resizing == "bicubic with antialiasing to 8x8"
    whole = Extractor(name="x", network=lambda x: x.flatten(1))
    torch.testing.assert_close(whole(torch.full((1, 1, 1, 1), 0.5)), torch.full((1, 1), 128 / 255).double())


def test_the_hidden_layer_of_a_classifier() -> None:
    x = torch.cat([pictures(60, 0.2), pictures(60, 0.8)])
    y = torch.tensor([0] * 60 + [1] * 60)
    extractor = classifier_features(train_classifier(x, y, x, y))
    assert (
        extractor(x).shape == (120, 128)
        and "% right on 120 test pictures" in extractor.name
        and extractor.note == HOME_MADE
    )
    assert (extractor(x) >= 0).all()
    with pytest.raises(HvaeError, match="expected an mlp classifier"):
        classifier_features(train_classifier(x, y, x, y, kind="knn"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_users_network(tmp_path: Path) -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
    torch.jit.script(network).save(tmp_path / "net.pt")
    batch = torch.export.Dim("batch", min=1, max=1000)
    program = torch.export.export(network, (torch.rand(2, 3, 6, 6),), dynamic_shapes=[{0: batch}])
    torch.export.save(program, tmp_path / "net.pt2")
    x = torch.rand(4, 1, 9, 9)
    script, exported = (user_features(str(tmp_path / name), size=6) for name in ("net.pt", "net.pt2"))
    assert script(x).shape == (4, 12) and script.name.endswith("net.pt")
    torch.testing.assert_close(script(x), exported(x))
    (tmp_path / "bad.pt").write_text("no network")
    for source, line in (
        (str(tmp_path / "bad.pt"), "bad.pt holds no network"),
        (str(tmp_path / "none.pt2"), "no network at"),
        ("inception", r"expected a file \(.pt2, .pt, .ts\) or MODULE:NAME"),
        ("torch.nn:Flattn", "no Flattn in the Python module torch.nn"),
        ("nowhere:f", "no f in the Python module nowhere"),
    ):
        with pytest.raises(HvaeError, match=line):
            user_features(source)


def test_faults_are_one_line() -> None:
    with pytest.raises(HvaeError, match="expected pictures of 3 channels or 1 for x, got 2"):
        Extractor(name="x", network=lambda x: x, channels=3)(torch.rand(1, 2, 4, 4))
    with pytest.raises(HvaeError, match="vectors have no such features"):
        random_features(1)(torch.rand(3, 5))
    with pytest.raises(HvaeError, match=r"finite features of shape \(2, D\) from x, got \(2, 1, 4, 4\)"):
        Extractor(name="x", network=lambda x: x)(torch.rand(2, 1, 4, 4))
    with pytest.raises(HvaeError, match="expected pictures to compare, got none"):
        features_of(random_features(1), [])


@pytest.mark.parametrize(
    ("x", "came"),
    [
        (torch.full((2, 1, 8, 8), 255.0), "255 to 255"),
        (torch.arange(256.0).view(4, 1, 8, 8), "0 to 255"),
        (torch.full((2, 1, 8, 8), torch.nan), "nan to nan"),
        (torch.full((2, 3, 8, 8), -3.0), "-3 to -3"),
    ],
    ids=["white bytes", "bytes", "nan", "standardised"],
)
def test_pictures_of_another_scale_have_no_features(x: torch.Tensor, came: str) -> None:
    with pytest.raises(HvaeError, match=rf"expected pictures in \[0, 1\], got {came}; divide bytes by 255"):
        random_features(x.shape[1])(x)


def test_what_a_gaussian_draws_beyond_the_range_is_clipped() -> None:
    x = torch.linspace(-0.3, 1.3, 128).view(2, 1, 8, 8)
    assert torch.equal(random_features(1)(x), random_features(1)(x.clamp(0, 1)))
