"""The loss of one micro-batch, and the score of a validation.

Shapes: `B` data of one micro-batch; `...` one datum; `K` samples per datum.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvae.data.order import subset
from hvae.data.sources import Batches
from hvae.datum import Datum, as_datum
from hvae.draw import dropping, posterior, trained
from hvae.objectives import Objective
from hvae.objectives.maps import MAPS, maps
from hvae.training.seeds import seed_valid
from hvae.walk import Model, Trace


class Batch:
    """A datum on its way through the engine, which would round the tensors of a plain one to its own precision: in bf16
    the value 254/255 becomes 1, and the likelihood is then that of other data."""

    __slots__ = ("datum",)

    def __init__(self, data: Tensor | Datum) -> None:
        self.datum = as_datum(data)


class LossStep(nn.Module):
    """A model with its objective as one module: what is wrapped for several devices, and compiled.

    `forward` gives the scalar to minimise and every term by name, detached: the objective's own, the model's
    regularisers, which are added to its total with the weight that the objective gives them (and not computed at 0),
    penalties on its linear maps that the objective asks for, and the model's gauges, which are added to nothing.
    """

    def __init__(self, model: Model, objective: Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective
        # A plain list: the weights are registered where they stand.
        self._maps = maps(model) if objective.regulariser.maps else []

    def forward(self, batch: Batch, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        trace = walked(self.model, self.objective, batch.datum, step)
        loss = self.objective(trace, step)
        weight = self.objective.regulariser([record.name for record in trace.latents], step)
        extra = self.model.regularisers() if weight else {}
        total = sum((weight * value for value in extra.values()), loss.total)
        on_maps = self._on_maps(total.device.type)
        total = sum((self.objective.regulariser.maps[name] * value for name, value in on_maps.items()), total)
        penalties = {f"regulariser/{name}": value for name, value in extra.items()}
        penalties |= {f"maps/{name}": value for name, value in on_maps.items()}
        terms = {**loss.terms, **penalties, "loss": total}
        terms |= self.model.gauges()
        return total, {name: term.detach().float() for name, term in terms.items()}

    def _on_maps(self, device: str) -> dict[str, Tensor]:
        # In half precision products of 500 numbers would have two digits.
        with torch.autocast(device, enabled=False):
            return {name: MAPS[name](self._maps) for name in self.objective.regulariser.maps}


def walked(model: Model, objective: Objective, datum: Datum, step: int) -> Trace:
    """The trace that training looks at: K rows for each datum of a batch, drawn as the objective wants them.

    A condition is hidden in some rows where the model asks for it, and of many levels it visits the few that it names.
    """
    # On a GPU the look at the values would make every step wait for the one before it.
    check = datum.x.device.type == "cpu"
    rows = model.evidence(datum, check=check).repeat(objective.samples)
    return objective.loop(model, trained(dropping(objective.schedule(objective.draw, step))), rows)


@torch.no_grad()
def score(
    model: Model, split: Batches, *, seed: int, size: int, count: int, part: int = 0, parts: int = 1
) -> dict[str, float]:
    """Sums over data of the ELBO, the log-likelihood and each level's rate, by name, in nats.

    A walk of which training visits a few levels visits as few here: its sums keep their expectation.

    Takes every `parts`-th batch of `size` among `count` data chosen at random, starting with batch `part`: processes
    share the work, and their sums add up to what one process finds.
    """
    device = next(model.parameters()).device
    batches = subset(len(split), count).split(size)
    sums: dict[str, float] = {}
    # A process without a batch of its own still has to name the sums: it scores one that counts nothing.
    for number in range(part, max(len(batches), part + 1), parts):
        generator = seed_valid(seed, number)
        datum = as_datum(split.batch(batches[number % len(batches)], generator)).to(device)
        totals = _sums(model(datum, trained(posterior)))
        own = float(number < len(batches))
        sums = {name: sums.get(name, 0.0) + own * total for name, total in totals.items()}
    return sums


def _sums(trace: Trace) -> dict[str, float]:
    rates, log_likelihood = trace.rates(), trace.log_likelihood()
    elbo = log_likelihood - sum(rates.values())
    columns = {"elbo": elbo, "log_likelihood": log_likelihood, **{f"rate/{name}": r for name, r in rates.items()}}
    return dict(zip(columns, torch.stack(list(columns.values())).sum(1).tolist(), strict=True))  # (2+L, B)
