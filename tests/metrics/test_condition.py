"""What is said of a condition: information against closed forms, the swap, and the verdict."""

from __future__ import annotations

import math

import pytest
import torch
from conditional_gaussian import linear_gaussian, means

from hvae.config.data import DataConfig
from hvae.data import load
from hvae.errors import HvaeError
from hvae.explore.swap import swap
from hvae.metrics import train_classifier
from hvae.metrics.condition import condition_result, information
from hvae.metrics.results import read_result

NAMES = ("a", "b", "c", "d")


def test_information_of_a_channel_with_known_errors() -> None:
    """A judge that errs with probability e, evenly: I = log K - H(e) - e log(K - 1)."""
    k, e, n = 4, 0.2, 200_000
    asked = torch.randint(k, (n,))
    wrong = (asked + torch.randint(1, k, (n,))) % k
    judged = torch.where(torch.rand(n) < e, wrong, asked)
    expected = math.log(k) + e * math.log(e) + (1 - e) * math.log(1 - e) - e * math.log(k - 1)
    assert information(asked, judged, k) == pytest.approx(expected, abs=0.01)


def test_information_of_few_that_know_nothing_is_near_zero_on_average() -> None:
    """By counts alone it would be (K - 1)^2 / 2 N = 0.08 nats too large."""
    k, n = 5, 100
    found = [information(torch.randint(k, (n,)), torch.randint(k, (n,)), k) for _ in range(300)]
    assert sum(found) / len(found) < 0.03


def test_a_perfect_judge_finds_all_there_is() -> None:
    y = torch.arange(4).repeat(50)
    result = condition_result(y, y, (y + 1) % 4, y, NAMES, "a judge")
    assert (result.right, result.swapped_to_new, result.swapped_to_old) == (1.0, 0.0, 1.0)
    assert result.information_nats == pytest.approx(math.log(4), abs=0.01)
    assert result.by_class == dict.fromkeys(NAMES, 1.0)
    assert read_result(type(result), result.to_dict(), "condition") == result


@pytest.mark.parametrize(
    ("share", "words"), [(1.0, "100 % are judged"), (0.5, "weakly"), (0.0, "ignores its condition")]
)
def test_the_verdict_goes_with_the_information(share: float, words: str) -> None:
    y = torch.arange(4).repeat(500)
    judged = torch.where(torch.rand(len(y)) < share, y, torch.randint(4, y.shape))
    assert words in condition_result(y, judged, (y + 1) % 4, judged, NAMES, "a judge").verdict


def test_one_class_says_nothing() -> None:
    y = torch.zeros(3, dtype=torch.long)
    with pytest.raises(HvaeError, match="expected 2 classes or more"):
        condition_result(y, y, y, y, ("a",), "a judge")


def test_a_swap_keeps_the_latents() -> None:
    """Where y enters the prior of z alone, x given z does not know it: the swapped data are those of the old class."""
    model, n = linear_gaussian(), 4_000
    own, other = (y.clamp(-10, 10) for y in swap(model, n, {"label": 0}, {"label": 2}, seed=1, chunk=1_000))
    assert own.shape == other.shape == (n, 2)
    torch.testing.assert_close(own.mean(0), other.mean(0), atol=0.05, rtol=0)
    assert float((means(model, torch.tensor(0)) - means(model, torch.tensor(2))).abs().max()) > 0.15


def test_the_judge_of_convolutions_learns_digits_and_repeats() -> None:
    data = load(DataConfig(name="digits"))
    sets = [(split.pictures(range(len(split))), split.labels) for split in (data.train, data.test)]
    (x, y), (other, other_y) = sets
    assert y is not None and other_y is not None
    judge = train_classifier(x, y, other, other_y, kind="conv", seed=1)
    assert judge.test_accuracy > 0.95 and judge.probabilities(other).shape == (len(other), 10)
    again = train_classifier(x, y, other, other_y, kind="conv", seed=1)
    assert torch.equal(judge(other), again(other))
