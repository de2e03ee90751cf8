"""Coarse-to-fine experiment: do pictures that share their top level share their class?

Hold the top level of N pictures and redraw the rest R times each; a small classifier labels every picture.  If the
top level decides what the picture shows, the R labels of a group agree; in the mirror experiment (the lower levels
held, the top redrawn) they agree for another reason or not at all.

Shapes: `N` groups; `R` redraws in each; `C H W` a picture.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from hvae.errors import HvaeError, unknown
from hvae.metrics.convnet import ConvNet
from hvae.metrics.results import Plain
from hvae.screen.numbers import share
from hvae.seeds import noise_seed

Classify = Callable[[Tensor], Tensor]
"""Pictures (N, C, H, W) -> labels (N,), integers."""
Labels = np.ndarray[Any, Any]
"""(N,), integers."""
Kind = Literal["knn", "logistic", "mlp", "conv"]


def _labels(classify: Classify, groups: Tensor) -> Tensor:
    if groups.ndim < 3 or groups.shape[1] < 2:
        raise HvaeError(f"expected groups of shape (N, R, C, H, W) with R of 2 or more, got {tuple(groups.shape)}")
    return classify(groups.flatten(0, 1)).view(groups.shape[:2])  # (N, R)


def _largest_share(labels: Tensor) -> float:
    same = (labels[:, :, None] == labels[:, None, :]).sum(2)  # (N, R): how many share this one's label
    return float(same.amax(1).double().mean()) / labels.shape[1]


def _pairwise(labels: Tensor) -> float:
    r = labels.shape[1]
    same = (labels[:, :, None] == labels[:, None, :]).flatten(1).sum(1) - r  # (N,): without each with itself
    return float(same.double().mean()) / (r * (r - 1))


def agreement(classify: Classify, groups: Tensor) -> float:
    """The share of the most frequent class in a group of R pictures, mean over the N groups: from 1/R to 1.

    `groups` (N, R, C, H, W).

    >>> bright = lambda x: (x.flatten(1).mean(1) > 0.5).long()
    >>> agreement(bright, torch.tensor([[0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]])[..., None])
    0.875
    """
    return _largest_share(_labels(classify, groups))


def pairwise_agreement(classify: Classify, groups: Tensor) -> float:
    """The probability that two different pictures of one group have the same class, mean over the groups.

    Unlike `agreement` its expectation does not depend on R.  `groups` (N, R, C, H, W).

    >>> bright = lambda x: (x.flatten(1).mean(1) > 0.5).long()
    >>> pairwise_agreement(bright, torch.tensor([[0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]])[..., None])
    0.75
    """
    return _pairwise(_labels(classify, groups))


@dataclass(frozen=True, kw_only=True)
class CoarseToFine(Plain):
    """Agreement in the experiment, in its mirror, and by chance."""

    top_held: float
    """Agreement (largest class share) with the top level held and the rest redrawn."""
    top_redrawn: float
    """Agreement of the mirror experiment: the lower levels held, the top redrawn."""
    chance: float
    """Agreement of the first experiment's pictures when the groups are broken up at random."""
    top_held_pairwise: float
    top_redrawn_pairwise: float
    chance_pairwise: float
    groups: int
    redraws: int


def coarse_to_fine(classify: Classify, top_held: Tensor, top_redrawn: Tensor, seed: int = 0) -> CoarseToFine:
    """Agreement when the top level is held against the mirror experiment; both (N, R, C, H, W).

    >>> bright = lambda x: (x.flatten(1).mean(1) > 0.5).long()
    >>> held = torch.tensor([[0.0] * 4, [1.0] * 4])[..., None]
    >>> result = coarse_to_fine(bright, held, held.transpose(0, 1).reshape(2, 4, 1))
    >>> result.top_held, result.top_redrawn
    (1.0, 0.5)
    """
    top, redrawn = _labels(classify, top_held), _labels(classify, top_redrawn)
    order = torch.randperm(top.numel(), generator=torch.Generator().manual_seed(noise_seed(seed)))
    broken = top.flatten()[order.to(top.device)].view_as(top)
    return CoarseToFine(
        top_held=_largest_share(top),
        top_redrawn=_largest_share(redrawn),
        chance=_largest_share(broken),
        top_held_pairwise=_pairwise(top),
        top_redrawn_pairwise=_pairwise(redrawn),
        chance_pairwise=_pairwise(broken),
        groups=top.shape[0],
        redraws=top.shape[1],
    )


@dataclass(frozen=True, eq=False)
class Classifier:
    """A small classifier on pixels and its test accuracy: pictures (N, C, H, W) -> labels (N,)."""

    kind: Kind
    model: Any
    test_accuracy: float
    trained_on: int
    tested_on: int

    def __call__(self, images: Tensor) -> Tensor:
        return torch.as_tensor(self.model.predict(_flat(images)), dtype=torch.long, device=images.device)

    def probabilities(self, images: Tensor) -> Tensor:
        """The probability of each class, (N, classes) float64."""
        return torch.as_tensor(self.model.predict_proba(_flat(images)), dtype=torch.float64)

    def describe(self) -> str:
        """One line for a report."""
        return f"{self.kind} on pixels, {share(self.test_accuracy, 1)} right on {self.tested_on} test pictures"


def _flat(images: Tensor) -> Any:
    return images.detach().flatten(1).float().cpu().numpy()


def _knn(seed: int, shape: tuple[int, ...], labels: Labels) -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(n_neighbors=min(5, len(labels)), weights="distance")


def _logistic(seed: int, shape: tuple[int, ...], labels: Labels) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=300, random_state=noise_seed(seed))


def _mlp(seed: int, shape: tuple[int, ...], labels: Labels) -> Any:
    from sklearn.neural_network import MLPClassifier

    # Early stopping holds out a tenth with all classes in it, which few data do not have.
    counts = np.unique(labels, return_counts=True)[1]
    is_divisible = counts.min() > 1 and len(labels) // 10 >= len(counts)
    return MLPClassifier((128,), early_stopping=is_divisible, max_iter=60, random_state=noise_seed(seed))


def _conv(seed: int, shape: tuple[int, ...], labels: Labels) -> ConvNet:
    return ConvNet(seed, shape)


# Loaded on use: scikit-learn takes a second to import, and few commands classify.
_KINDS: dict[str, Callable[[int, tuple[int, ...], Labels], Any]] = {
    "knn": _knn,
    "logistic": _logistic,
    "mlp": _mlp,
    "conv": _conv,
}


def train_classifier(
    images: Tensor,
    labels: Tensor,
    test_images: Tensor,
    test_labels: Tensor,
    *,
    kind: Kind = "mlp",
    seed: int = 0,
) -> Classifier:
    """A classifier trained on real pictures (N, C, H, W) with labels (N,), and its accuracy on others.

    `kind`: "mlp" (one hidden layer of 128), "logistic" regression, "knn" (the 5 nearest), or "conv" (two convolutional
    layers: `hvae.metrics.convnet`).  Raises HvaeError for another kind, or when there is but one class.

    >>> x = torch.cat([torch.zeros(20, 1, 2, 2), torch.ones(20, 1, 2, 2)])
    >>> y = torch.tensor([0] * 20 + [1] * 20)
    >>> train_classifier(x, y, x, y, kind="knn").describe()
    'knn on pixels, 100.0 % right on 40 test pictures'
    """
    if kind not in _KINDS:
        raise unknown("classifier", kind, _KINDS)
    if len(labels.unique()) < 2:
        raise HvaeError(f"expected labels of 2 classes or more, got {len(labels.unique())}; agreement needs classes")
    numbers = labels.cpu().numpy()
    model = _KINDS[kind](seed, tuple(images.shape[1:]), numbers)
    with warnings.catch_warnings():
        # That it has not converged says its accuracy, which is shown beside all that it judges.
        warnings.filterwarnings("ignore", "Stochastic Optimizer|lbfgs failed to converge")
        model = model.fit(_flat(images), numbers)
    accuracy = float(model.score(_flat(test_images), test_labels.cpu().numpy()))
    return Classifier(kind, model, accuracy, len(labels), len(test_labels))
