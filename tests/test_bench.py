"""The frame of the benchmarks: what it derives from the rounds, and that it refuses a machine in use."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
alternating = pytest.importorskip("alternating")
bench = pytest.importorskip("bench")
curves = pytest.importorskip("curves")
pairs = pytest.importorskip("pairs")


def result(ours: list[float], theirs: list[float]) -> object:
    rounds = {
        "ours": [alternating.Round(t, 2 * t, 0.1) for t in ours],
        "theirs": [alternating.Round(t, t, 0.4) for t in theirs],
    }
    return alternating.Result("pair", 1, 1.5, 3, rounds, {"ours": 10, "theirs": 20})


def test_a_ratio_is_of_rounds_that_follow_each_other() -> None:
    low, middle, high = result([1.0, 2.0, 4.0], [2.0, 4.0, 8.0]).ratios("cpu")
    assert (low, middle, high) == (2, 2, 2)
    assert result([1.0, 2.0, 4.0], [2.0, 4.0, 8.0]).ratios("wall")[1] == 1


def test_rounds_far_from_the_others_are_counted_and_others_are_named() -> None:
    times = [1.0, 1.01, 0.99, 1.02, 0.98, 3.0]
    assert result(times, [1.0, 1.01, 0.99, 1.02, 0.98, 1.0]).outliers("cpu") == 1
    assert result(times, times).others() == 0.4


def test_the_exponent_of_a_power_is_its_power() -> None:
    curve = curves.Curve("depth", [curves.Point(n, 3.0 * n**1.5, 7.0 * n) for n in (8, 16, 78)])
    assert curve.exponent("seconds") == pytest.approx(1.5)
    assert curve.exponent("bytes") == pytest.approx(1)


def test_a_machine_in_use_is_refused_unless_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "others", lambda: 1.4)
    with pytest.raises(SystemExit, match=r"1\.40 of .* --busy"):
        bench.refuse_noise(allowed=False)
    assert bench.refuse_noise(allowed=True) == 1.4


@pytest.mark.parametrize("pair", [pytest.param(pair, id=pair.name) for pair in pairs.pairs({})])
def test_both_sides_of_a_pair_run_and_compute_one_number_where_they_should(pair: alternating.Pair) -> None:
    values = []
    for side in (pair.ours, pair.theirs):
        alternating.torch.manual_seed(0)
        work = side()
        alternating.torch.manual_seed(1)
        values.append(work())
    assert not pair.alike or values[0] == pytest.approx(values[1], rel=1e-4)


def test_sides_of_different_numbers_are_not_timed() -> None:
    pair = alternating.Pair("pair", None, None, 1.0)
    with pytest.raises(SystemExit, match="different numbers, 1 and 2"):
        alternating._check(pair, {"ours": 1.0, "theirs": 2.0})


def test_the_marks_of_moving_digits() -> None:
    torch = pytest.importorskip("torch")
    digits = pytest.importorskip("moving_digits")
    truth = torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 1.0]])  # of two films, the second with one digit twice
    logits = torch.tensor([[3.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0]])
    assert digits.shared(logits, truth).tolist() == [0.5, 1.0]
    steps = torch.arange(6.0)[None, :, None].expand(1, -1, 2)
    assert digits.alike(steps, 3 * steps + 1).item() == pytest.approx(1)
    assert digits.alike(steps, -steps).item() == pytest.approx(-1)
    noise = torch.randn(500, 8, 3, generator=torch.Generator().manual_seed(0))
    assert abs(digits.lagged(noise)) < 0.05 and digits.lagged(noise[:, :1].expand(-1, 8, -1)) == pytest.approx(1)
    assert digits.lagged(noise.repeat_interleave(2, 1)) == pytest.approx(8 / 15, abs=0.05)
    film = torch.zeros(1, 1, 1, 64, 64)
    film[0, 0, 0, 5, 9] = 1
    assert digits.centres(film).tolist() == [[[5.0, 9.0]]]


def test_the_velocities_of_free_motion() -> None:
    import numpy as np

    free_motion = pytest.importorskip("free_motion")
    random = np.random.default_rng(0)
    moves = [random.normal(size=(30 + n, 3)) * (1, 2, 3) for n in range(40)]
    variance = free_motion.velocity_variance(moves)
    assert np.allclose(variance, np.concatenate(moves).var(0))
    low, high = map(float, free_motion.interval(moves, variance, random).split("[")[1].split("]")[0].split(", "))
    assert 0.8 < low < 1 < high < 1.2
    assert "[1.00, 1.00], [1.00, 1.00]" in free_motion.interval(
        moves[:1], free_motion.velocity_variance(moves[:1]), random
    )
