r"""Models of sequences that a person can write down, fitted by counting: what a learned one has to beat.

Piano rolls, one key k at a time, from counts of the training frames (with one imagined frame of each value):

$$p(x_{t,k} = 1) = \frac{n_k + 1}{n + 2} \;\text{(marginals)}, \qquad
  p(x_{t,k} = 1 \mid x_{t-1,k} = a) = \frac{n_{k,a \to 1} + 1}{n_{k,a} + 2} \;\text{(Markov)}$$

with the marginal for a first frame.  Symbols: the same with V values.  Real numbers: a Gaussian each, and each by its
own two last values (AR(2)), fitted by least squares, with a Gaussian rest or one of Student's t, which may jump.

Shapes: `N` sequences; `F` steps of all of them, one sequence after another; `K` keys, or numbers a step; `V` symbols.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.distributions import Student
from hvae.errors import HvaeError

LEAST_VARIANCE = 1e-6
ORDER = 2


@dataclass(frozen=True, eq=False)
class Steps:
    """The steps of some sequences: `values` (F, ...), one sequence after another, and `lengths` (N,)."""

    values: Tensor
    lengths: Tensor

    @property
    def place(self) -> Tensor:
        """How many steps of its sequence come before each step, (F,)."""
        starts = (self.lengths.cumsum(0) - self.lengths).repeat_interleave(self.lengths)
        return torch.arange(len(self.values)) - starts

    def summed(self, nats: Tensor) -> Tensor:
        """Nats of each step, (F,), as nats of each sequence, (N,)."""
        owner = torch.arange(len(self.lengths)).repeat_interleave(self.lengths)
        return torch.zeros(len(self.lengths), dtype=torch.float64).index_add(0, owner, nats.double())


def marginals(train: Steps, test: Steps) -> Tensor:
    """-log p of piano rolls (F, K) of 0 and 1, each key by its own share of the training frames: nats (N,).

    >>> rolls = Steps(torch.tensor([[1], [0]]), torch.tensor([2]))
    >>> round(float(marginals(rolls, rolls)), 4)
    1.3863
    """
    p = _share(train.values.double().sum(0), len(train.values))
    return test.summed(_bernoulli(p, test.values))


def markov(train: Steps, test: Steps) -> Tensor:
    """-log p of piano rolls, each key by what it was a frame before: nats (N,)."""
    first = _share(train.values.double().sum(0), len(train.values))
    before, after = _pairs(train)
    on = [_share((after * (before == a)).double().sum(0), (before == a).sum(0)) for a in (0, 1)]  # (K,) each
    last = torch.cat([test.values[:1], test.values[:-1]])
    p = torch.where(last == 1, on[1], on[0])
    p = torch.where((test.place == 0)[:, None], first, p)
    return test.summed(_bernoulli(p, test.values))


def _share(count: Tensor, total: Tensor | int) -> Tensor:
    return (count + 1) / (total + 2)


def _pairs(steps: Steps) -> tuple[Tensor, Tensor]:
    """Each step that has one before it: that one, and itself."""
    inner = steps.place[1:] > 0
    return steps.values[:-1][inner], steps.values[1:][inner]


def _bernoulli(p: Tensor, x: Tensor) -> Tensor:
    """-log p of each step, (F,), in nats."""
    return -torch.where(x == 1, p, 1 - p).log().sum(-1)


def unigram(train: Steps, test: Steps, symbols: int) -> Tensor:
    """-log p of symbols (F,), each by its own share of the training steps: nats (N,).

    >>> text = Steps(torch.tensor([0, 1, 1]), torch.tensor([3]))
    >>> round(float(unigram(text, text, 2)), 3)
    1.938
    """
    counts = torch.bincount(train.values.long(), minlength=symbols).double() + 1
    return test.summed(-(counts / counts.sum()).log()[test.values.long()])


def bigram(train: Steps, test: Steps, symbols: int) -> Tensor:
    """-log p of symbols, each by the one before it: nats (N,).

    The shares of successors are mixed with those of all symbols as by so many imagined successors (as many as there are
    symbols); a first one goes by the latter alone.  Raises HvaeError for more pairs than fit into memory.
    """
    if symbols > MOST_SYMBOLS:
        raise HvaeError(f"expected at most {MOST_SYMBOLS:,} symbols for pairs of them, got {symbols:,}")
    before, after = _pairs(train)
    pairs = torch.bincount(before.long() * symbols + after.long(), minlength=symbols**2).view(symbols, symbols).double()
    counts = torch.bincount(train.values.long(), minlength=symbols).double() + 1
    shares = counts / counts.sum()
    table = (pairs + symbols * shares) / (pairs.sum(1, keepdim=True) + symbols)
    x = test.values.long()
    last = torch.cat([x[:1], x[:-1]])
    p = torch.where(test.place == 0, shares[x], table[last, x])
    return test.summed(-p.log())


MOST_SYMBOLS = 4096


def differences(train: Steps, test: Steps, levels: int) -> Tensor:
    """-log p of samples (F, S) of so many levels by the histogram of first differences: nats (N,).

    The samples of a sequence are one line of sound; its first sample costs log of the levels.
    """
    first, second = (_line(steps) for steps in (train, test))
    counts = torch.bincount(_steps_down(first)[1] + levels - 1, minlength=2 * levels - 1).double() + 1
    shares = counts / counts.sum()
    inner, change = _steps_down(second)
    nats = torch.full((len(second.values),), math.log(levels), dtype=torch.float64)
    nats[inner] = -shares[change + levels - 1].log()
    return second.summed(nats)


def _line(steps: Steps) -> Steps:
    """Frames of samples as single samples."""
    return Steps(steps.values.flatten(), steps.lengths * (steps.values[0].numel()))


def _steps_down(line: Steps) -> tuple[Tensor, Tensor]:
    """The samples that have one before them, and the difference from it."""
    inner = torch.nonzero(line.place > 0)[:, 0]
    return inner, (line.values[inner].long() - line.values[inner - 1].long())


def gaussian(train: Steps, test: Steps) -> Tensor:
    """-log density of real numbers (F, K), each a Gaussian of its own: nats (N,)."""
    values = train.values.double()
    return test.summed(_normal(test.values.double() - values.mean(0), values.var(0)))


def autoregression(train: Steps, test: Steps) -> Tensor:
    """-log density of real numbers, each by its own two last values; the first two steps as `gaussian`: nats (N,)."""
    weights, variance = _fitted(train)
    nats = _normal(test.values.double() - train.values.double().mean(0), train.values.double().var(0))
    late, inputs, target = _past(test)
    rest = target - torch.einsum("fki,ki->fk", inputs, weights)
    nats[late] = _normal(rest, variance)
    return test.summed(nats)


def jumping(train: Steps, test: Steps) -> Tensor:
    """-log density of real numbers as by `autoregression`, with a rest of Student's t of 3 degrees: nats (N,).

    The scale of each number is the most probable one of what the training steps leave: the fixed point of
    s^2 = mean of w r^2, w = (nu + 1) / (nu + (r / s)^2)  (Lange, Little and Taylor 1989, sec. 4).
    """
    weights, variance = _fitted(train)
    nats = _normal(test.values.double() - train.values.double().mean(0), train.values.double().var(0))
    scale = _scale(_rest(train, weights), variance.clamp_min(LEAST_VARIANCE).sqrt())
    nats[test.place >= ORDER] = -Student(torch.zeros_like(scale), scale, FREEDOM).log_prob(_rest(test, weights)).sum(-1)
    return test.summed(nats)


FREEDOM = torch.tensor(3.0, dtype=torch.float64)


def _rest(steps: Steps, weights: Tensor) -> Tensor:
    """What the weights (K, 3) leave of the steps from the third on, (F', K)."""
    _, inputs, target = _past(steps)
    return target - torch.einsum("fki,ki->fk", inputs, weights)


def _scale(rest: Tensor, scale: Tensor) -> Tensor:
    """The most probable scale of each number, (K,), from rests (F', K)."""
    for _ in range(100):
        weight = (FREEDOM + 1) / (FREEDOM + (rest / scale).square())
        scale = (weight * rest.square()).mean(0).clamp_min(LEAST_VARIANCE).sqrt()
    return scale


def _past(steps: Steps) -> tuple[Tensor, Tensor, Tensor]:
    """Steps from the third on: where they are, (1, last, last but one) for each number (F', K, 3), and themselves."""
    values, late = steps.values.double(), torch.nonzero(steps.place >= ORDER)[:, 0]
    ones = torch.ones_like(values[late])
    return late, torch.stack([ones, values[late - 1], values[late - 2]], -1), values[late]


def _fitted(train: Steps) -> tuple[Tensor, Tensor]:
    """Weights (K, 3) by least squares, and the variance of what they leave, (K,)."""
    _, inputs, target = _past(train)
    gram = torch.einsum("fki,fkj->kij", inputs, inputs) + 1e-6 * torch.eye(ORDER + 1, dtype=torch.float64)
    weights = torch.linalg.solve(gram, torch.einsum("fki,fk->ki", inputs, target))
    return weights, (target - torch.einsum("fki,ki->fk", inputs, weights)).var(0)


def _normal(rest: Tensor, variance: Tensor) -> Tensor:
    variance = variance.clamp_min(LEAST_VARIANCE)
    return 0.5 * (rest**2 / variance + variance.log() + math.log(2 * math.pi)).sum(-1)


Baseline = Callable[[Steps, Steps], Tensor]
ROLLS: Mapping[str, Baseline] = {"independent marginals": marginals, "Markov, key by key": markov}
MOTION: Mapping[str, Baseline] = {
    "Gaussian, each number": gaussian,
    "AR(2), each number": autoregression,
    "AR(2), Student's t": jumping,
}
