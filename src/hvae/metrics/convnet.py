"""A small convolutional classifier of pictures, for judges that must err little: scikit-learn's four methods, in torch.

Shapes: `N` pictures; `D` values of one, flat; `K` classes; `C H W` a picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.seeds import noise_seed

STEPS, BATCH, RATE = 1_200, 64, 3e-3
WIDTHS, HIDDEN = (16, 32), 128
CHUNK = 1_000


def network(shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """Two convolutions, each halved by its largest values, then two dense layers."""
    layers: list[nn.Module] = []
    channels, height, width = shape
    for out in WIDTHS:
        layers += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
        channels, height, width = out, -(-height // 2), -(-width // 2)
    dense = [nn.Linear(channels * height * width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes)]
    return nn.Sequential(*layers, nn.Flatten(), *dense)


class ConvNet:
    """A classifier of pictures (N, D) in [0, 1] that are `shape` (C, H, W) each.

    Adam for 1,200 steps of 64 pictures, its rate falling along half a cosine to zero; the seed decides all of it.

    >>> x = np.repeat(np.eye(2, 16, dtype=np.float32), 40, 0)
    >>> y = np.repeat([3, 7], 40)
    >>> ConvNet(0, (1, 4, 4), steps=30).fit(x, y).predict(x[::40]).tolist()
    [3, 7]
    """

    def __init__(self, seed: int, shape: tuple[int, ...], steps: int = STEPS) -> None:
        self.seed, self.shape, self.steps = noise_seed(seed), tuple(shape), steps
        self.classes_, self.net = np.zeros(0, np.int64), nn.Sequential()

    def fit(self, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> ConvNet:
        """Learn the classes y (N,) of pictures x (N, D)."""
        self.classes_, places = np.unique(y, return_inverse=True)
        pictures, labels = self._pictures(x), torch.as_tensor(places)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.net = network(self.shape, len(self.classes_))
            moments = torch.optim.Adam(self.net.parameters(), RATE)
            falling = torch.optim.lr_scheduler.CosineAnnealingLR(moments, self.steps)
            for _ in range(self.steps):
                some = torch.randint(len(labels), (BATCH,))
                moments.zero_grad()
                F.cross_entropy(self.net(pictures[some]), labels[some]).backward()
                moments.step()
                falling.step()
        return self

    @torch.no_grad()
    def predict_proba(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The probability of each class, (N, K)."""
        parts = [self.net(some).softmax(1) for some in self._pictures(x).split(CHUNK)]
        return torch.cat(parts).numpy()

    def predict(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The most probable class of each, (N,)."""
        classes: np.ndarray[Any, Any] = self.classes_[self.predict_proba(x).argmax(1)]
        return classes

    def score(self, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> float:
        """The share that it gets right."""
        return float((self.predict(x) == y).mean())

    def _pictures(self, x: np.ndarray[Any, Any]) -> Tensor:
        return torch.as_tensor(x, dtype=torch.float32).reshape(len(x), *self.shape)
