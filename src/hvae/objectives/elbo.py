"""The evidence lower bound as a loss, its rates reweighed by filters.

Shapes: `B` data in the batch; `K` draws for each, averaged.
"""

from __future__ import annotations

from torch import Tensor

from hvae.draw import Draw, posterior
from hvae.objectives.loss import Loss, Objective, Schedule, check_samples, per_datum
from hvae.objectives.rates import RateFilter, Rates, WarmUp
from hvae.objectives.regulariser import AS_IS, Regulariser
from hvae.objectives.spectra import Spectra
from hvae.walk import Trace


class ELBO(Objective):
    r"""The negative ELBO.

    $$-E_q[\log p(x \mid z)] + \sum_l f_l\big(KL(q_l \,\|\, p_l)\big) + \text{penalty}$$

    Kingma and Welling 2013, arXiv 1312.6114; over L levels the KL is a sum.  The filters f are applied in
    order, `warmup` last; without them this is -trace.elbo().mean().  `samples` draws for each datum are averaged,
    which lowers the variance of the gradient and moves no optimum.  `draw` decides the values: the posterior, or
    `thin(K)` of it for a walk of many levels of which a step of training visits a few; `schedule` changes it by step.
    `spectra` adds a distance of sound, of which no bound knows; `commitment` lets that part of the penalty grow.

    >>> ELBO(samples=2).samples
    2
    """

    def __init__(
        self,
        *filters: RateFilter,
        warmup: WarmUp | None = None,
        samples: int = 1,
        regulariser: Regulariser | None = None,
        draw: Draw = posterior,
        schedule: Schedule | None = None,
        spectra: Spectra | None = None,
        commitment: WarmUp | None = None,
    ) -> None:
        check_samples(samples)
        self.spectra = spectra
        self.filters, self.draw = filters, draw
        self.schedule = self.schedule if schedule is None else schedule
        self.warmup = WarmUp() if warmup is None else warmup
        self.commitment = commitment
        self.samples, self.regulariser = samples, regulariser or AS_IS

    def __call__(self, trace: Trace, step: int) -> Loss:
        rates = trace.nats()
        charged: Rates = rates
        for change in (*self.filters, self.warmup):
            charged = change(charged, step)
        pulls = self._pulls(trace, step)
        log_likelihood = trace.log_likelihood().mean()
        penalty = sum(((weight - 1) * pull for weight, pull in pulls.values()), trace.penalty().mean())
        total = sum((per_datum(nats) for nats in charged.values()), penalty - log_likelihood)
        more = {} if self.spectra is None else {"stft": self.spectra(trace)}
        total = sum(more.values(), total)
        terms = {
            "loss": total,
            "penalty": penalty,
            **more,
            **spent(rates, log_likelihood),
            **{f"commitment/{name}": total.new_full((), weight) for name, (weight, _) in pulls.items()},
            **self._weights(rates, step, total),
        }
        return Loss(total, {name: term.detach() for name, term in terms.items()})

    def _pulls(self, trace: Trace, step: int) -> dict[str, tuple[float, Tensor]]:
        """The weight of each level's commitment at a step, and its mean over the batch; none without a schedule."""
        if self.commitment is None:
            return {}
        pulls = trace.commitments()
        weights = self.commitment.weights(pulls, step)
        return {name: (weights[name], pull.mean()) for name, pull in pulls.items()}

    def _weights(self, rates: dict[str, Tensor], step: int, like: Tensor) -> dict[str, Tensor]:
        weights = self.warmup.weights(rates, step)
        return {f"warmup/{name}": like.new_full((), weights[name]) for name in self.warmup.warmed(rates)}


def spent(rates: dict[str, Tensor], log_likelihood: Tensor) -> dict[str, Tensor]:
    """Unweighted terms: "log_likelihood", "rate/..." and "elbo", nats per datum."""
    means = {f"rate/{name}": per_datum(nats) for name, nats in rates.items()}
    return {"elbo": log_likelihood - sum(means.values()), "log_likelihood": log_likelihood, **means}
