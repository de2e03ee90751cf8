"""Batch-norm statistics re-estimated on samples, for sampling deep models at a temperature.

Shapes: `n` samples at once.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

from torch.nn.modules.batchnorm import _BatchNorm

from hvae.counts import whole
from hvae.errors import HvaeError
from hvae.explore.frame import levels
from hvae.explore.sample import Temperature, at_temperature
from hvae.walk import Model, run, still

M = TypeVar("M", bound=Model)

ITERATIONS = 500
BATCH = 16
"""The published numbers: with momentum 0.05 the training statistics have then decayed."""


def recalibrate(
    model: M,
    *,
    temperature: Temperature = 1.0,
    iterations: int = ITERATIONS,
    batch: int = BATCH,
    seed: int | None = None,
) -> M:
    """A copy of the model whose batch-norm statistics are those of its own samples at a temperature.

    Training statistics are those of data; samples at lower temperature differ, increasingly down the hierarchy.  Batch
    norms normalise by the batch while `batch` samples are drawn `iterations` times, and their running means follow with
    their own momentum; all else stays in evaluation mode.  Only modules used in generation change.  Vahdat and
    Kautz 2020, arXiv 2007.03898, released code (there "readjusting").

    Arguments: `temperature`, one for all levels or by level name, as in `sample`; `seed`, for the same copy again.
    Raises HvaeError when the model has no running statistics, for a level it does not have, or a temperature below 0.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> cold = recalibrate(model, temperature=0.7, iterations=3, seed=0)
    >>> cold is model, cold.training
    (False, False)
    """
    iterations, batch = whole("iterations", iterations, 1), whole("batch", batch, 2)
    draw = at_temperature(temperature, levels(model))
    copy = deepcopy(model).eval()
    norms = [m for m in copy.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not norms:
        raise HvaeError("expected a model with batch norm to recalibrate, got one without; sample it as it is")
    with still(copy, seed):
        for norm in norms:
            norm.train()
        for _ in range(iterations):
            run(copy, draw, n=batch)
    return copy
