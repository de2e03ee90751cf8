"""A small convolutional classifier of pictures, for judges that must err little: scikit-learn's four methods, in torch.

What a class is may depend on where its parts lie (a digit), or on a small finding that may lie anywhere (a lesion). A
dense layer over places (`by_places`) has to learn such a finding anew at each of them; the strongest and the mean
answer of a channel over all places (`anywhere`) do not change when it moves, and cannot tell a 6 from a 9.

Shapes: `N` pictures; `D` values of one, flat; `K` classes; `C H W` a picture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.seeds import noise_seed

STEPS, BATCH, RATE = 1_200, 64, 3e-3
WIDTHS, HIDDEN = (16, 32), 128
CHUNK = 1_000


Shape = tuple[int, ...]
Network = Callable[[Shape, int], nn.Sequential]
"""(C, H, W) and K classes -> a network of pictures (N, C, H, W) that gives logits (N, K)."""


def by_places(shape: Shape, classes: int) -> nn.Sequential:
    """Two convolutions, each halved by its largest values, then two dense layers over all places."""
    layers: list[nn.Module] = []
    channels, height, width = shape
    for out in WIDTHS:
        layers += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU(), _halved()]
        channels, height, width = out, -(-height // 2), -(-width // 2)
    return nn.Sequential(*layers, nn.Flatten(), *_dense(channels * height * width, classes))


def anywhere(shape: Shape, classes: int) -> nn.Sequential:
    """The same two convolutions, normalised, and two dense layers that see no places: `OverPlaces` of each channel.

    Without the normalisation (Ioffe and Szegedy 2015, arXiv 1502.03167) a finding of one pixel in a thousand is not
    learnt in some hundred steps.
    """
    layers: list[nn.Module] = []
    channels = shape[0]
    for out in WIDTHS:
        layers += [nn.Conv2d(channels, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(), _halved()]
        channels = out
    return nn.Sequential(*layers, OverPlaces(), *_dense(2 * channels, classes))


class OverPlaces(nn.Module):
    """The largest and the mean value of each channel over all places: (N, C, H, W) -> (N, 2C).

    >>> OverPlaces()(torch.tensor([[[[1.0, 3.0], [0.0, 0.0]]]])).tolist()
    [[3.0, 1.0]]
    """

    def forward(self, h: Tensor) -> Tensor:
        return torch.cat([h.amax((2, 3)), h.mean((2, 3))], 1)


def _halved() -> nn.Module:
    return nn.MaxPool2d(2, ceil_mode=True)


def _dense(inputs: int, classes: int) -> list[nn.Module]:
    return [nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes)]


LOOKS: dict[str, Network] = {"places": by_places, "anywhere": anywhere}
"""By the word for it: what a judge looks at."""


class ConvNet:
    """A classifier of pictures (N, D) in [0, 1] that are `shape` (C, H, W) each.

    Adam for 1,200 steps of 64 pictures, its rate falling along half a cosine to zero; the seed decides all of it.
    `network` is what it looks at: `by_places` or `anywhere`.

    >>> x = np.repeat(np.eye(2, 16, dtype=np.float32), 40, 0)
    >>> y = np.repeat([3, 7], 40)
    >>> ConvNet(0, (1, 4, 4), steps=30).fit(x, y).predict(x[::40]).tolist()
    [3, 7]
    """

    def __init__(self, seed: int, shape: Shape, steps: int = STEPS, network: Network = by_places) -> None:
        self.seed, self.shape, self.steps, self.network = noise_seed(seed), tuple(shape), steps, network
        self.classes_, self.net = np.zeros(0, np.int64), nn.Sequential()

    def fit(self, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> ConvNet:
        """Learn the classes y (N,) of pictures x (N, D)."""
        self.classes_, places = np.unique(y, return_inverse=True)
        pictures, labels = self._pictures(x), torch.as_tensor(places)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.net = self.network(self.shape, len(self.classes_))
            moments = torch.optim.Adam(self.net.parameters(), RATE)
            falling = torch.optim.lr_scheduler.CosineAnnealingLR(moments, self.steps)
            for _ in range(self.steps):
                some = torch.randint(len(labels), (BATCH,))
                moments.zero_grad()
                F.cross_entropy(self.net(pictures[some]), labels[some]).backward()
                moments.step()
                falling.step()
        self.net.eval()
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
