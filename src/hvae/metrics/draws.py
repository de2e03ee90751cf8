"""Draws of a bound: scores of one batch, summed chunk by chunk.

Shapes: `B` data of one batch; `k` draws at once.  All nats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from hvae.draw import posterior
from hvae.engine import Answers, Question
from hvae.errors import HvaeError
from hvae.walk import Model, Trace, run

Scores = dict[str, Tensor]
"""Scores of the data of one batch by name, (B,) each, float64 on the CPU."""


def chunks(samples: int, at_once: int) -> list[int]:
    """Sizes of the chunks that `samples` draws are taken in, at most `at_once` each.

    >>> chunks(10, 4), chunks(3, 0)
    ([4, 4, 2], [1, 1, 1])
    """
    at_once = min(max(at_once, 1), samples)
    rest = samples % at_once
    return [at_once] * (samples // at_once) + [rest] * (rest > 0)


def terms(trace: Trace, spared: Mapping[str, Tensor] = MappingProxyType({})) -> Answers:
    """The terms of the bounds in nats, (n,) each: log w, log p(x given z), and the rate of each level.

    A level spends nothing where its entry in `spared`, a boolean, is true: it counts as drawn from its prior.
    """
    _check_unweighted(trace)
    log_likelihood = trace.log_likelihood()
    # The likelihood is the dear part, so the log-weight is built on it rather than asked for whole.
    spent = trace.spent()
    costs = (_unless(spared.get(name), cost) for name, (_, cost) in spent.items())
    rates = {f"rate/{name}": _unless(spared.get(name), rate) for name, (rate, _) in spent.items()}
    return {"log_weight": log_likelihood - sum(costs), "log_likelihood": log_likelihood, **rates}


def _unless(is_spared: Tensor | None, nats: Tensor) -> Tensor:
    return nats if is_spared is None else torch.where(is_spared, 0.0, nats)


def posterior_terms(model: Model) -> Question:
    """The terms of the bounds, levels drawn from q."""
    return Question(name="terms", model=model, of=lambda evidence, _: terms(run(model, posterior, evidence)))


def scored(scores: Answers, k: int) -> dict[str, Tensor]:
    """Each score of each draw, (B k,) as (B, k), in float64 on the CPU: one transfer a chunk."""
    stacked = torch.stack([s.float() if s.dtype.itemsize < 4 else s for s in scores.values()]).cpu().double()
    return dict(zip(scores, stacked.view(len(scores), -1, k), strict=True))


def _check_unweighted(trace: Trace) -> None:
    """Raises HvaeError for a walk whose sites stand for several: its weights w do not average to p(x)."""
    for record in trace.records.values():
        if record.is_weighed:
            raise HvaeError(
                f"{record.name} stands for several sites by its weight, and such a walk has no bounds on log p(x); "
                "evaluate one that visits each of its levels"
            )


_LOGS = ("log_sum", "log_squares", "log_open")


class Stream:
    """Scores of one batch, summed over its draws chunk by chunk; the result does not depend on the chunks.

    >>> stream = Stream()
    >>> for log_weight in (torch.tensor([[0.0, 1000.0]]), torch.tensor([[1000.0]])):
    ...     stream.add({"log_weight": log_weight})
    >>> stream.per_datum()["iw"] + math.log(3 / 2)
    tensor([1000.])
    """

    def __init__(self, begun: Scores | None = None, block: int = 0) -> None:
        """Continue from the `sums_so_far` of another stream, if given.

        `block`, draws of one after which a bound of these alone is taken, "iw_block"; the draws must be a multiple of
        it in the end (0: none).
        """
        rest = dict(begun or {"draws": torch.tensor(0), **dict.fromkeys(_LOGS, torch.tensor(-math.inf))})
        self.draws = int(rest.pop("draws"))
        self.log_sum, self.log_squares, self.log_open = (rest.pop(name) for name in _LOGS)
        self.block, self.sums = block, rest

    def add(self, scores: dict[str, Tensor]) -> None:
        """Take in a chunk: scores (B, k) by name, "log_weight" among them."""
        log_weight = scores["log_weight"]
        scores = {**scores, **self._blocks(log_weight)}
        self.draws += log_weight.shape[1]
        self.log_sum = torch.logaddexp(self.log_sum, log_weight.logsumexp(1))  # (B,)
        self.log_squares = torch.logaddexp(self.log_squares, (2 * log_weight).logsumexp(1))  # (B,)
        self.sums = {name: self.sums.get(name, 0.0) + s.sum(1) for name, s in scores.items()}

    def _blocks(self, log_weight: Tensor) -> Scores:
        """M times the bounds of the blocks that end within a chunk, (B, k); their mean is that over the draws."""
        if not self.block:
            return {}
        ends = range(self.block - self.draws % self.block, log_weight.shape[1] + 1, self.block)
        *whole, rest = log_weight.tensor_split(list(ends), 1)
        bounds = [self._ended(part) for part in whole]
        self.log_open = torch.logaddexp(self.log_open, rest.logsumexp(1))
        return {"iw_block": self.block * torch.stack([log_weight.new_zeros(len(log_weight)), *bounds], 1)}

    def _ended(self, log_weight: Tensor) -> Tensor:
        """The bound of a block, (B,), whose last draws these are, (B, k)."""
        log_sum = torch.logaddexp(self.log_open, log_weight.logsumexp(1))
        self.log_open = torch.full_like(log_sum, -math.inf)
        return log_sum - math.log(self.block)

    def sums_so_far(self) -> Scores:
        """The state of the stream, from which another can continue."""
        logs = dict(zip(_LOGS, (self.log_sum, self.log_squares, self.log_open), strict=True))
        return {"draws": torch.tensor(self.draws), **logs, **self.sums}

    def per_datum(self) -> dict[str, Tensor]:
        """Means over the draws by name, the bound "iw" and the "effective" number of draws, each (B,)."""
        means = {name: total / self.draws for name, total in self.sums.items()}
        effective = (2 * self.log_sum - self.log_squares).exp()
        return {"iw": self.log_sum - math.log(self.draws), "effective": effective, **means}
