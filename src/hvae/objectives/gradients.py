r"""Gradient estimators of the importance-weighted bound that drop the score of q: STL and DReG, right in hierarchies.

log w depends on the weights of q twice: by the path, through the values z that q draws, and directly, as the density
by which they are divided (the score).  Both estimators stop the direct dependence.  In a hierarchy the *weights* must
be stopped and not each level's parameters: the mean of q(z_1 | z_2, x) is a function of weights and of z_2, and the
gradient that comes back through it to z_2 belongs to the path.  (Detaching each level's mean and scale loses it, and
with more than one draw the upper levels then climb another function.)

So each draw gets a twin: a row whose values are the same numbers with their history cut off.  A twin's densities
depend on the weights directly alone; taken off those of its original they leave the path.  No second walk with other
weights is needed, and the features that inference reads off the data are computed once for all rows.

Shapes: `B` data in the batch; `K` draws for each; a trace has 2 B K rows: of each datum K draws, then their K twins.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.draw import Draw, Drawn, posterior
from hvae.objectives.elbo import spent
from hvae.objectives.importance import check_unweighted, log_mean_exp, rows
from hvae.objectives.loss import Loss, Objective, check_samples
from hvae.objectives.regulariser import AS_IS, Regulariser
from hvae.site import Site
from hvae.walk import Trace


@dataclass(frozen=True)
class Twins(Draw):
    """Of each 2 K rows the first K from the posterior, the others the same values without their gradients.

    >>> from hvae.distributions import Normal
    >>> q = Normal(torch.zeros(6, 2, requires_grad=True), torch.ones(6, 2))
    >>> z = Twins(3)(Site("z1", q=q)).value
    >>> torch.equal(z[:3], z[3:])
    True
    """

    samples: int

    def __call__(self, site: Site) -> Drawn:
        value, proposal = posterior(site)
        if site.value is not None:
            return Drawn(value, proposal)
        originals = value.unflatten(0, (-1, 2, self.samples))[:, :1]  # (B, 1, K, ...)
        return Drawn(torch.cat([originals, originals.detach()], 1).flatten(0, 2), proposal)


class _PathGradient(Objective):
    """The value of the negative importance-weighted bound, with a gradient of its own."""

    def __init__(self, samples: int = 1, *, regulariser: Regulariser | None = None) -> None:
        check_samples(samples)
        # Each draw has a twin, so a datum has twice as many rows.
        self.samples, self.draw, self.regulariser = 2 * samples, Twins(samples), regulariser or AS_IS

    @abstractmethod
    def climbed(self, log_w: Tensor, log_p: Tensor, log_q: Tensor) -> Tensor:
        """A surrogate with the wanted gradient, (B, K), from log w of the draws, log p and log q of their twins."""

    def __call__(self, trace: Trace, step: int) -> Loss:
        check_unweighted(trace, self.samples // 2)
        log_likelihood, log_prior, log_q = _joint(trace)
        (log_p, twin_p), (spent_q, twin_q) = (_apart(log, self.samples) for log in (log_likelihood + log_prior, log_q))
        bound, penalty = log_mean_exp(log_p - spent_q).mean(), trace.penalty().mean()
        climbed = self.climbed(log_p - spent_q, twin_p, twin_q).sum(1).mean()
        # The number shown is the bound; the gradient taken is that of what is climbed.
        total = penalty - climbed + (climbed - bound).detach()
        gap = (spent_q - twin_q).abs().amax()
        terms = {"loss": total, "iwae": bound, "penalty": penalty, "twin_gap": gap, **_watched(trace, log_likelihood)}
        return Loss(total, {name: term.detach() for name, term in terms.items()})


def _joint(trace: Trace) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x given z), log p(z) and log q(z given x) of each row, (2 B K,)."""
    log_prior = log_q = torch.zeros_like(log_likelihood := trace.log_likelihood())
    for record in trace.latents:
        log_prior = log_prior + record.log_likelihood()
        log_q = log_q + record.log_proposal()
    return log_likelihood, log_prior, log_q


def _apart(log: Tensor, samples: int) -> tuple[Tensor, Tensor]:
    """Draws and twins of each datum, (B, K) each."""
    draws, twins = rows(log, samples).chunk(2, 1)
    return draws, twins


@torch.no_grad()
def _watched(trace: Trace, log_likelihood: Tensor) -> dict[str, Tensor]:
    return spent(trace.nats(), log_likelihood.mean())


class STL(_PathGradient):
    r"""The importance-weighted bound with the path gradient alone ("sticking the landing").

    $$\sum_k \tilde w_k \Big(\frac{\partial \log p(x, z_k)}{\partial \theta} +
      \frac{\partial \log w_k}{\partial z_k} \frac{d z_k}{d (\theta, \phi)}\Big), \qquad
      \tilde w_k = \frac{w_k}{\sum_j w_j}$$

    Roeder, Wu and Duvenaud 2017, arXiv 1703.09194.  With one draw (the ELBO) the score that is left out has
    mean zero: unbiased, and without any variance once q is exact.  With more draws it is biased; `DReG` is not.
    phi are all weights that q depends on, theta all that p does; they may be the same.

    Run the model with `draw` on `evidence.repeat(samples)`; `samples` is twice the number of draws.  The term
    "twin_gap" is the largest difference of log q between a draw and its twin: it is 0, up to rounding, unless networks
    draw at random (dropout), which these estimators have no use for.  Networks that mix rows (batch norm in training)
    make them approximate.  Raises HvaeError for a flow without an inverse, whose draws cannot be scored again.

    >>> STL().samples
    2
    """

    def climbed(self, log_w: Tensor, log_p: Tensor, log_q: Tensor) -> Tensor:
        return log_w.detach().softmax(1) * (log_w + log_q)


class DReG(_PathGradient):
    r"""The importance-weighted bound with doubly reparameterised gradients: unbiased, of low variance for many draws.

    $$\sum_k \tilde w_k \frac{\partial \log p(x, z_k)}{\partial \theta} +
      \tilde w_k^2\, \frac{\partial \log w_k}{\partial z_k} \frac{d z_k}{d (\theta, \phi)}$$

    Tucker, Lawson, Gu and Maddison 2019, arXiv 1810.04152, applied to the joint q of all levels; what it means
    for a hierarchy is discussed by Bauer and Mnih 2021, arXiv 2101.11046.  theta, phi, `samples`, and what networks
    may not do: as in `STL`.  Its signal-to-noise ratio for q does not fall as K grows, that of the plain gradient does
    (Rainforth et al. 2018, arXiv 1802.04537).

    >>> DReG(5).samples
    10
    """

    def climbed(self, log_w: Tensor, log_p: Tensor, log_q: Tensor) -> Tensor:
        share = log_w.detach().softmax(1)
        return share**2 * (log_w - log_p + log_q) + share * log_p
