r"""Where normalising flows enter a walk: one place for every topology.

$$z = f_q(z_0;\ e), \quad z_0 \sim \mathcal N(\mu_q, \sigma_q^2); \qquad
  p(z) = \mathcal N\big(f_p(z); \mu_p, \sigma_p^2\big)\ \Big|\det\frac{\partial f_p}{\partial z}\Big|$$

A posterior's flow runs from its Gaussian to the latent, so that what is drawn costs one pass (Kingma et al. 2016, arXiv
1606.04934); a prior's runs from the latent to its Gaussian, so that what the posterior draws is scored in one pass
(Papamakarios et al. 2017, arXiv 1705.07057, sec. 3.4).  The networks of a level make its Gaussians as without a flow;
the walk's sites are what is pushed.

Shapes: `B` batch; `T` steps; `D` latent channels; `E` evidence; `...` space, if any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from torch import Tensor, nn

from hvae.distributions import Distribution, Flowed
from hvae.nn.flows import Invertible
from hvae.site import Site, Visit
from hvae.walk import Evidence

Context = Callable[[Evidence, Site], Tensor | None]
"""What a posterior's flow reads at a site."""


def seen(evidence: Evidence, site: Site) -> Tensor | None:
    """The level's feature of the data, (B, E, ...); of a level that recurs in time that of its step."""
    feature = evidence.feature(site.name)
    return feature if feature is None or site.step is None else feature[:, site.step]


def nothing(evidence: Evidence, site: Site) -> None:
    """No context."""


class Flows(nn.Module):
    """A map for the prior, the posterior or both of some levels, by name; `context`, what those of posteriors read.

    Without any it has no parameters, and every site stays as it is.
    """

    def __init__(
        self,
        prior: Mapping[str, Invertible] | None = None,
        posterior: Mapping[str, Invertible] | None = None,
        context: Context = nothing,
    ) -> None:
        super().__init__()
        self.prior, self.posterior = nn.ModuleDict(dict(prior or {})), nn.ModuleDict(dict(posterior or {}))
        self.context = context

    def __len__(self) -> int:
        return len(self.prior) + len(self.posterior)

    def forward(self, visit: Visit, evidence: Evidence) -> Visit:
        """The visits of one walk, each with its laws pushed."""
        return (lambda site: visit(self._pushed(site, evidence))) if len(self) else visit

    def _pushed(self, site: Site, evidence: Evidence) -> Site:
        p, q = site.p, site.q
        if site.name in self.prior and p is not None:
            p = flowed(p, self.prior[site.name], None)
        if site.name in self.posterior and q is not None:
            q = flowed(q, self.posterior[site.name], self.context(evidence, site))
        return replace(site, p=p, q=q)


def flowed(law: Distribution, flow: nn.Module, context: Tensor | None) -> Flowed:
    """A law pushed through an invertible map, given its context."""
    assert isinstance(flow, Invertible)
    return Flowed(
        law, partial(flow.forward, context=context), partial(flow.inverse, context=context), passes=flow.passes
    )
