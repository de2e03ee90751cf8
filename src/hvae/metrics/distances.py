r"""Distances between two sets of features: FID, KID, precision and recall, density and coverage; the inception score.

Shapes: `N` real pictures; `M` generated ones; `D` features; `k` nearest neighbours; `C` classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hvae.errors import HvaeError
from hvae.metrics.evaluating import Progress, silent
from hvae.seeds import noise_seed

SUBSETS, SUBSET = 100, 1000
NEAR, NEAR_PR = 5, 3
FEWEST = 100
"""Fewest pictures per set for KID."""
MOST = 10_000
"""Most pictures of the larger set when the other is small: time and memory grow with their product."""
SPLITS = 10
ROWS = 1024


def enough(real: int, generated: int, features: int) -> None:
    """Raises HvaeError when a set has too few pictures for a covariance of full rank."""
    least = max(features + 1, 2)
    if min(real, generated) < least:
        raise HvaeError(
            f"expected {least:,} pictures or more on both sides, since the covariance of {features:,} features from "
            f"fewer is singular and FID meaningless; got {real:,} real and {generated:,} generated"
        )


def too_few(real: int, generated: int) -> str:
    """Why there is no KID of so few pictures."""
    return f"expected {FEWEST} pictures or more on both sides for KID, got {real} and {generated}"


def fid(real: Tensor, generated: Tensor) -> float:
    r"""The Frechet distance of two Gaussians fitted to features (N, D) and (M, D).

    $$|\mu_1 - \mu_2|^2 + \mathrm{tr}\big(\Sigma_1 + \Sigma_2 - 2 (\Sigma_1 \Sigma_2)^{1/2}\big)$$

    Heusel et al. 2017, arXiv 1706.08500.  The trace of the root is the sum of the roots of the eigenvalues of
    the symmetric S1^1/2 S2 S1^1/2, which stays real.

    >>> x = torch.randn(50, 3, dtype=torch.float64)
    >>> round(fid(x, x + 2.0), 6)
    12.0
    """
    enough(len(real), len(generated), real.shape[1])
    a, b = torch.cov(real.T).reshape(2 * [real.shape[1]]), torch.cov(generated.T).reshape(2 * [real.shape[1]])
    values, vectors = torch.linalg.eigh(a)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    middle = torch.linalg.eigvalsh(root @ b @ root).clamp_min(0).sqrt().sum()
    apart = (real.mean(0) - generated.mean(0)).square().sum()
    return max(0.0, float(apart + a.trace() + b.trace() - 2 * middle))


def kid(
    real: Tensor, generated: Tensor, *, subset: int = SUBSET, seed: int = 0, progress: Progress = silent
) -> tuple[float, float]:
    r"""The kernel inception distance, and its standard deviation over 100 subsets of 1,000 pictures.

    $$\mathrm{MMD}^2, \qquad k(x, y) = \Big(\frac{x^\top y}{D} + 1\Big)^3$$

    Binkowski et al. 2018, arXiv 1801.01401, with the unbiased estimate of the squared MMD: its mean over the subsets,
    as there, or, when a side has no more pictures than a subset would, that of all pictures of both (of 10,000 at
    random, where the other side has more).  Subsets are then half as large, for copies of the whole would all agree.
    Raises HvaeError for fewer than 100 pictures.
    """
    if min(len(real), len(generated)) < FEWEST:
        raise HvaeError(too_few(len(real), len(generated)))
    size, estimates = subset_of(len(real), len(generated), subset), []
    random = torch.Generator().manual_seed(noise_seed(seed))
    for at in range(SUBSETS):
        estimates.append(_mmd(*(_some(x, size, random) for x in (real, generated))))
        progress(at + 1, SUBSETS)
    values = torch.stack(estimates)
    if min(len(real), len(generated)) > subset:
        return float(values.mean()), float(values.std())
    return float(_mmd(*(_some(x, MOST, random) for x in (real, generated)))), float(values.std())


def _some(x: Tensor, count: int, random: torch.Generator) -> Tensor:
    """At most `count` rows at random: sets are often sorted by class."""
    return x if len(x) <= count else x[torch.randperm(len(x), generator=random)[:count].to(x.device)]


def subset_of(real: int, generated: int, subset: int) -> int:
    """Size of a KID subset: `subset`, or half of the smaller set when that has no more pictures.

    >>> subset_of(50_000, 50_000, 1_000), subset_of(300, 5_000, 1_000)
    (1000, 150)
    """
    least = min(real, generated)
    return subset if least > subset else least // 2


def _mmd(x: Tensor, y: Tensor) -> Tensor:
    within = [(_kernel(a, a) - ((a * a).mean(1) + 1).pow(3).sum()) / (len(a) * (len(a) - 1)) for a in (x, y)]
    return within[0] + within[1] - 2 * _kernel(x, y) / (len(x) * len(y))


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    """The sum of the kernel over all pairs, in chunks of rows."""
    return torch.stack([((part @ y.T / x.shape[1] + 1) ** 3).sum() for part in x.split(ROWS)]).sum()


def _reach(x: Tensor, k: int) -> Tensor:
    """The distance of each row to its k-th nearest neighbour, (N,)."""
    if len(x) <= k:
        raise HvaeError(f"expected more than {k} pictures to know their {k} nearest, got {len(x)}")
    # The nearest of all is the row itself.
    return torch.cat([torch.cdist(part, x).kthvalue(k + 1).values for part in x.split(ROWS)])


def precision_recall(real: Tensor, generated: Tensor, k: int = NEAR_PR) -> tuple[float, float]:
    """Share of generated rows within a real ball, and of real rows within a generated one; a ball reaches to the k-th
    nearest of its own set.

    Kynkaanniemi et al. 2019, arXiv 1904.06991; k = 3 as there.
    """
    return _within(generated, real, k), _within(real, generated, k)


def _within(points: Tensor, centres: Tensor, k: int) -> float:
    reach = _reach(centres, k)
    inside = [(torch.cdist(part, centres) <= reach).any(1) for part in points.split(ROWS)]
    return float(torch.cat(inside).double().mean())


def density_coverage(real: Tensor, generated: Tensor, k: int = NEAR) -> tuple[float, float]:
    """Density: mean number of real balls containing a generated row, over k.  Coverage: share of real balls with one.

    Naeem et al. 2020, arXiv 2002.09797; k = 5 as there.
    """
    reach = _reach(real, k)
    counts, covered = 0.0, torch.zeros(len(real), dtype=torch.bool)
    for part in generated.split(ROWS):
        inside = torch.cdist(part, real) <= reach  # (rows, N)
        counts += float(inside.sum())
        covered |= inside.any(0)
    return counts / (k * len(generated)), float(covered.double().mean())


def class_score(probabilities: Tensor, splits: int = SPLITS) -> tuple[float, float]:
    r"""The inception score of any classifier: mean and standard deviation over splits.

    $$\exp\Big(\frac1N \sum_i KL\big(p(y \mid x_i) \,\|\, \tfrac1N \textstyle\sum_j p(y \mid x_j)\big)\Big)$$

    Salimans et al. 2016, arXiv 1606.03498.  From 1 (all alike, or unsure) to the number of classes.
    `probabilities` (N, C) of generated pictures, which are split at random: samples sorted by class would otherwise
    leave one class per split.  Raises HvaeError when a split has fewer pictures than classes.

    >>> mean, deviation = class_score(torch.eye(4, dtype=torch.float64).repeat(1000, 1))
    >>> round(mean, 1), deviation < 0.1
    (4.0, True)
    """
    n, classes = probabilities.shape
    if n < splits * classes:
        raise HvaeError(
            f"expected {splits * classes:,} pictures or more ({splits} splits, {classes} classes), got {n:,}"
        )
    order = torch.randperm(n, generator=torch.Generator().manual_seed(noise_seed(0)))
    parts = probabilities.double()[order.to(probabilities.device)].tensor_split(splits)
    scores = torch.stack([torch.xlogy(p, p / p.mean(0).clamp_min(1e-300)).sum(1).mean().exp() for p in parts])
    return float(scores.mean()), float(scores.std())
