"""The upper levels of a walk alone: those below are drawn from their priors, as if nobody had inferred them.

Shapes: as the sites it answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hvae.counts import whole
from hvae.draw.base import Draw, Drawn, Wrapper, as_draw, posterior, prior
from hvae.errors import HvaeError
from hvae.site import Site

_prior = prior()


@dataclass(frozen=True, eq=False)
class _Upper(Wrapper):
    count: int
    below: Draw
    visited: list[str] = field(default_factory=list)
    """Names of latent variables in the order of the walk."""

    def __call__(self, site: Site) -> Drawn:
        if site.data or site.auxiliary or site.value is not None:
            return self.otherwise(site)
        # Weighed, it stands for levels that are not visited; a mask alone says where a sequence ends.
        if site.p is None or site.is_weighed:
            raise HvaeError(
                f"levels can be inferred from the top down where each is visited once, with its prior; {site.name} is "
                "not (models markov, biva and vdm): infer all of them"
            )
        if site.name not in self.visited:
            self.visited.append(site.name)
        return (self.otherwise if self.visited.index(site.name) < self.count else self.below)(site)


def upper(count: int, otherwise: Draw = posterior, below: Draw = _prior) -> Draw:
    r"""One walk whose first `count` latent variables, the top ones, are drawn by `otherwise`, and those below from p,
    or as `below` draws them.

    $$q_k(z \mid x) = \prod_{l > L - k} q(z_l \mid z_{>l}, x) \prod_{l \le L - k} p(z_l \mid z_{>l})$$

    It is a posterior like any other: what stands below costs KL 0, and the ELBO is a bound on log p(x) of the whole
    model, of which inference knows the upper levels alone.  A new draw for each walk: it counts what it has met.
    Raises HvaeError for less than one level, and, when it runs, for a walk that meets a latent without its prior.

    >>> upper(2).count
    2
    """
    count = whole("count", count, None)
    if count < 1:
        raise HvaeError(f"expected at least 1 level to infer, got {count}")
    return _Upper(as_draw(otherwise), count, as_draw(below))
