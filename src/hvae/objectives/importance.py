"""The importance-weighted bound as a loss.

Shapes: `B` data in the batch; `K` draws for each; row b K + k of the trace is draw k of datum b.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hvae.errors import HvaeError
from hvae.objectives.elbo import spent
from hvae.objectives.loss import Loss, Objective, check_samples
from hvae.objectives.regulariser import AS_IS, Regulariser
from hvae.walk import Trace


class IWAE(Objective):
    r"""The negative importance-weighted bound on log p(x), tighter with every draw.

    $$-E\Big[\log \frac1K \sum_{k=1}^K \frac{p(x, z_k)}{q(z_k \mid x)}\Big]$$

    Burda, Grosse and Salakhutdinov 2015, arXiv 1509.00519.  Only log-weights of the draws enter: a closed-form
    KL is an average over q already, and inside the logarithm an average is not a weight.  Rate filters have no place
    here for the same reason.  The trace must come from `evidence.repeat(samples)`.

    Raises HvaeError when the rows of the trace are not a multiple of `samples`, and for several draws of a walk that
    weighs its levels (`thin`).

    >>> IWAE(5).samples
    5
    """

    def __init__(self, samples: int, *, regulariser: Regulariser | None = None) -> None:
        check_samples(samples)
        self.samples, self.regulariser = samples, regulariser or AS_IS

    def __call__(self, trace: Trace, step: int) -> Loss:
        check_unweighted(trace, self.samples)
        log_weight = trace.log_weight()
        bound, penalty = log_mean_exp(rows(log_weight, self.samples)).mean(), trace.penalty().mean()
        terms = {"loss": penalty - bound, "iwae": bound, "penalty": penalty, **_watched(trace, log_weight)}
        return Loss(penalty - bound, {name: term.detach() for name, term in terms.items()})


@torch.no_grad()
def _watched(trace: Trace, log_weight: Tensor) -> dict[str, Tensor]:
    # The likelihood is the dear part of a log-weight: taking the latents off again is cheaper than scoring it twice.
    latents = sum((record.log_weight() for record in trace.latents), torch.zeros_like(log_weight))
    return spent(trace.nats(), (log_weight - latents).mean())


def check_unweighted(trace: Trace, draws: int) -> None:
    """Raises HvaeError for several draws where a level stands for others: the exponential of an estimate is biased.

    One draw is a sum, which keeps its expectation.
    """
    if draws == 1:
        return
    for record in trace.latents:
        if record.is_weighed:
            raise HvaeError(
                f"{record.name} has a weight, as in a walk of a few of its steps (thin), and {draws} draws of such a "
                "walk are no bound; visit all steps, or take the ELBO"
            )


def rows(log_weight: Tensor, samples: int) -> Tensor:
    """The draws of each datum side by side: (B K,) -> (B, K).  Raises HvaeError for rows that are no multiple of K."""
    if len(log_weight) % samples:
        raise HvaeError(
            f"expected a multiple of {samples} rows, got {len(log_weight)}; run the model on evidence.repeat({samples})"
        )
    return log_weight.view(-1, samples)


def log_mean_exp(log_weight: Tensor) -> Tensor:
    """log (1/K) sum_k exp(log w_k), (B, K) -> (B,), without overflow.

    >>> import torch
    >>> log_mean_exp(torch.tensor([[0.0, 1000.0]]))
    tensor([999.3068])
    """
    return log_weight.logsumexp(1) - math.log(log_weight.shape[1])
