r"""A small classifier of sequences by what they are in each eighth of their length: a judge of samples.

$$f_{kd} = \frac{1}{|P_k|} \sum_{t \in P_k} v_{td}, \qquad P_1, \dots, P_8 \text{ equal parts of the } T \text{ steps}$$

where v_t are the values of step t, a token as a vector of its kinds, and of sound the logarithm of the power of windows
of 128 samples in 16 bands of one width.  The numbers are brought to zero mean and unit scale by the training data, and
a logistic regression reads them.  It hears no length, so that samples of one length are judged as data of many are.

Shapes: `N` sequences; `T` steps; `D` numbers of a step; `...` one step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from hvae.datum import Datum
from hvae.metrics.classify import Classifier, train_classifier
from hvae.screen.numbers import share

PARTS, WINDOW, BANDS = 8, 128, 16
QUIETEST = 1e-7
"""Power, of samples in [-1, 1], below which sounds are alike: that of a step of 12 bits."""
Reading = Callable[[Tensor], Tensor]
"""A sequence (T, ...) -> the numbers of its steps, (T', D)."""


def spectra(x: Tensor) -> Tensor:
    """Log-power of a sound (T, S) in [0, 1], in windows that overlap by half, (T', 16).

    >>> spectra(torch.rand(10, 64)).shape
    torch.Size([9, 16])
    """
    samples = 2 * x.flatten() - 1
    short = max(0, WINDOW - len(samples))
    windows = F.pad(samples, (0, short)).unfold(0, WINDOW, WINDOW // 2) * torch.hann_window(WINDOW)
    power = torch.fft.rfft(windows).abs().square() / WINDOW
    return (F.adaptive_avg_pool1d(power, BANDS) + QUIETEST).log()


def values(x: Tensor, kinds: int = 0) -> Tensor:
    """The values of steps (T, ...) as they are, (T, D); tokens of so many kinds as vectors.

    >>> values(torch.tensor([1.0, 0.0]), kinds=3)
    tensor([[0., 1., 0.],
            [1., 0., 0.]])
    """
    return F.one_hot(x.long(), kinds).float() if kinds else x.flatten(1).float()


def in_eighths(data: Datum, read: Reading) -> Tensor:
    """What each sequence is in each eighth of its length, (N, 8, D)."""
    series = [read(x[:length].cpu()) for x, length in zip(data.x, data.counts.tolist(), strict=True)]
    return torch.stack([F.adaptive_avg_pool1d(one.T[None], PARTS)[0].T for one in series])


@dataclass(frozen=True, eq=False)
class SequenceJudge:
    """What a classifier says of sequences of one length, (N, T, ...) -> labels (N,)."""

    read: Reading
    mean: Tensor
    scale: Tensor
    classifier: Classifier

    def __call__(self, x: Tensor) -> Tensor:
        return self.classifier((in_eighths(Datum(x), self.read) - self.mean) / self.scale)

    def describe(self) -> str:
        """One line for a report."""
        what, judge = "spectra" if self.read is spectra else "values", self.classifier
        right = f"{share(judge.test_accuracy, 1)} right on {judge.tested_on} test sequences"
        return f"{judge.kind} on {what} of eighths, {right}"


def train_judge(
    train: Iterable[Datum], test: Iterable[Datum], *, is_sound: bool, kinds: int = 0, seed: int = 0
) -> SequenceJudge:
    """A judge that learns from batches of sequences with labels in their context, and its accuracy on others.

    `is_sound`: by spectra; `kinds` of tokens (0: numbers).  Raises HvaeError where there is but one class.

    >>> x = torch.cat([torch.zeros(20, 9, 2), torch.ones(20, 9, 2)])
    >>> data = Datum(x, {"label": torch.tensor([0] * 20 + [1] * 20)})
    >>> train_judge([data], [data], is_sound=False).describe()
    'logistic on values of eighths, 100.0 % right on 40 test sequences'
    """
    read: Reading = spectra if is_sound else partial(values, kinds=kinds)
    (features, labels), (others, other_labels) = (_read(batches, read) for batches in (train, test))
    mean, scale = features.mean(0), features.std(0).clamp_min(1e-6)
    plain, other_plain = ((some - mean) / scale for some in (features, others))
    classifier = train_classifier(plain, labels, other_plain, other_labels, kind="logistic", seed=seed)
    return SequenceJudge(read, mean, scale, classifier)


def _read(batches: Iterable[Datum], read: Reading) -> tuple[Tensor, Tensor]:
    """Numbers (N, 8, D) and labels (N,) of all sequences."""
    pairs = [(in_eighths(batch, read), batch.context["label"]) for batch in batches]
    return torch.cat([features for features, _ in pairs]), torch.cat([labels for _, labels in pairs])
