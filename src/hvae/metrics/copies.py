"""Which samples are near copies of training data: nearer to a datum than data are to each other.

Shapes: `M` samples; `N` data; `D` values of one, flat.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hvae.errors import HvaeError

ROWS, WITNESSES = 512, 1_000
QUANTILE = 0.01


class CopyDetector:
    r"""Nearest neighbours among data (N, D), and the distance below which one counts as a copy.

    $$d(x) = \min_n \lVert x - x_n \rVert_2, \qquad
      x \text{ is a near copy if } d(x) < Q_{0.01}\big(\{\min_{m \ne n} \lVert x_n - x_m \rVert_2\}_n\big)$$

    The quantile is over 1,000 data at most, each against all others; equal data among them do not count.  Raises
    HvaeError for fewer than 2 data.

    >>> data = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    >>> CopyDetector(data)(torch.tensor([[1.01], [1.4], [9.0]])).tolist()
    [True, True, False]
    """

    def __init__(self, data: Tensor) -> None:
        if len(data) < 2:
            raise HvaeError(f"expected 2 training data or more to tell copies from others, got {len(data)}")
        self.data = data.flatten(1).float()
        witnesses = self.data[:: max(1, len(data) // WITNESSES)][:WITNESSES]
        apart = torch.cat([_apart(part, self.data) for part in witnesses.split(ROWS)])
        self.threshold = float(apart.quantile(QUANTILE)) if len(apart) else 0.0

    def __call__(self, samples: Tensor) -> Tensor:
        """Which samples (M, D) are near copies, (M,) bool."""
        return self.distances(samples) < self.threshold

    def distances(self, samples: Tensor) -> Tensor:
        """The distance of each sample to its nearest datum, (M,)."""
        parts = samples.flatten(1).float().split(ROWS)
        return torch.cat([torch.cdist(part, self.data).amin(1) for part in parts])


def _apart(some: Tensor, data: Tensor) -> Tensor:
    """The distance of each to the nearest datum that is another one; those that have none are left out."""
    # Not the product form, whose rounding makes a datum differ from itself.
    distances = torch.cdist(some, data, compute_mode="donot_use_mm_for_euclid_dist")
    nearest = distances.masked_fill(distances == 0, torch.inf).amin(1)
    return nearest[nearest.isfinite()]
