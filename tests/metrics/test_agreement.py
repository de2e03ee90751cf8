from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from torch import Tensor

from hvae.errors import HvaeError
from hvae.metrics import agreement, coarse_to_fine, pairwise_agreement, psnr, train_classifier


def brightness(x: Tensor) -> Tensor:
    """A classifier that reads the class off the first pixel."""
    return x.flatten(1)[:, 0].long()


def groups(labels: list[list[int]]) -> Tensor:
    return torch.tensor(labels, dtype=torch.float64)[:, :, None, None, None].expand(-1, -1, 1, 2, 2)


def test_by_hand() -> None:
    x = groups([[0, 0, 0, 1], [2, 2, 3, 3], [5, 5, 5, 5]])
    assert agreement(brightness, x) == pytest.approx((3 + 2 + 4) / 12)
    # Pairs that agree: 3, 2 and 6 of 6.
    assert pairwise_agreement(brightness, x) == pytest.approx((3 + 2 + 6) / 18)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(2, 9), st.integers(1, 5))
def test_ranges(n: int, r: int, classes: int) -> None:
    x = groups(torch.randint(classes, (n, r)).tolist())
    largest, pairs = agreement(brightness, x), pairwise_agreement(brightness, x)
    assert 1 / min(r, classes) - 1e-9 <= largest <= 1
    assert 0 <= pairs <= largest + 1e-9


def test_chance_is_what_broken_groups_give() -> None:
    held = groups([[c] * 8 for c in range(10)] * 20)
    mixed = groups(torch.randint(10, (200, 8)).tolist())
    result = coarse_to_fine(brightness, held, mixed)
    assert result.top_held == result.top_held_pairwise == 1.0
    assert result.chance == pytest.approx(result.top_redrawn, abs=0.03)
    assert result.chance_pairwise == pytest.approx(0.1, abs=0.02)
    assert result.to_dict()["groups"] == 200 and result.redraws == 8


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    found = load_digits()
    return torch.tensor(found.images / 16.0).float()[:, None], torch.tensor(found.target)


@pytest.mark.parametrize("kind", ["knn", "logistic", "mlp"])
def test_classifiers_learn_digits_and_say_how_well(digits: tuple[Tensor, Tensor], kind: str) -> None:
    x, y = digits
    classify = train_classifier(x[:1300], y[:1300], x[1300:], y[1300:], kind=kind)
    right = float((classify(x[1300:]) == y[1300:]).double().mean())
    assert right == pytest.approx(classify.test_accuracy) and right > 0.85
    assert "497 test pictures" in classify.describe() and classify.trained_on == 1300
    # Eight pictures of one digit agree as far as the classifier is right.
    same = torch.stack([x[1300:][y[1300:] == c][:8] for c in range(10)])
    assert agreement(classify, same) > 0.8


@pytest.mark.parametrize("kind", ["knn", "logistic", "mlp", "conv"])
@pytest.mark.parametrize("sizes", [(24, 1), (1, 1), (2, 2), (3, 3, 3, 3), (1,) * 12, (300, 2)])
def test_classes_of_few_pictures_are_learnt_too(
    kind: str, sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hvae.metrics.convnet.STEPS", 2)
    y = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    x = (y / len(sizes))[:, None, None, None].expand(-1, 1, 4, 4)
    judge = train_classifier(x, y, x, y, kind=kind)
    assert judge.trained_on == sum(sizes) and 0 <= judge.test_accuracy <= 1


def test_psnr_by_hand() -> None:
    a, b = torch.zeros(2, 1, 2, 2), torch.zeros(2, 1, 2, 2)
    b[0] = 0.5
    found = psnr(a, b)
    assert float(found[0]) == pytest.approx(6.0206, abs=1e-4) and found[1] == float("inf")
    assert float(psnr(255 * a, 255 * b, peak=255.0)[0]) == pytest.approx(6.0206, abs=1e-4)


def test_faults_are_one_line() -> None:
    x, y = torch.zeros(4, 1, 2, 2), torch.zeros(4)
    with pytest.raises(HvaeError, match="R of 2 or more"):
        agreement(brightness, x[:, None])
    with pytest.raises(HvaeError, match="no classifier named 'nkn'; did you mean 'knn'"):
        train_classifier(x, y, x, y, kind="nkn")  # type: ignore[arg-type]
    with pytest.raises(HvaeError, match="expected labels of 2 classes"):
        train_classifier(x, y, x, y)
    with pytest.raises(HvaeError, match="one shape"):
        psnr(x, x[:2])
