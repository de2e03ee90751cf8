r"""A context above all levels: a few numbers that the datum determines, and a diffusion as their prior.

$$p(x, z, u) = p(u)\, p(x, z \mid u), \qquad q(z, u \mid x) = [u = u(x)]\; q(z \mid x, u)$$
$$-\log p(u) \le -\mathbb E \log p(u \mid u_1) + KL(q(u_{T+1} \mid u)\,\|\,p(u_{T+1}))
  + \sum_t KL(q(u_t \mid u_{t+1}, u)\,\|\,p(u_t \mid u_{t+1}))$$

u takes countably many values, so that -log p(u(x)) is the cost of coding them and the bound stays one on log p(x).
Kuzina and Tomczak 2024 (DVP-VAE: a VampPrior amortised by a context of cosine frequencies, a diffusion upon it); there
q(u | x) is a narrow Gaussian around them.

Shapes: `n` rows; `C k l` the context; `W h w` a state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor, nn

from hvae.datum import Datum
from hvae.distributions import Fixed, GridGaussian
from hvae.models.conditioning import Conditioning, Entry
from hvae.models.diffusion import Diffusion
from hvae.nn.cosine import Grid
from hvae.site import Site, Visit
from hvae.walk import Evidence

CONTEXT = "u"
"""The latent of the context; the levels of its diffusion are u1 (nearest it) upwards."""


class UnderContext(Entry):
    """One walk under a context: its map enters the state that each level reads, beside what `within` lets in."""

    def __init__(self, within: Entry, context: Tensor, networks: Mapping[str, nn.Module]) -> None:
        super().__init__(within.ask)
        self.within, self.context, self.networks = within, context, networks

    def state(self, name: str, h: Tensor) -> Tensor:
        h = self.within.state(name, h)
        return self.networks[name](h, self.context) if name in self.networks else h

    def evidence(self, name: str, e: Tensor | None) -> Tensor | None:
        return self.within.evidence(name, e)

    def value(self, name: str, z: Tensor) -> Tensor:
        return self.within.value(name, z)

    def prior(self, name: str, context: Tensor) -> Tensor:
        return self.within.prior(name, context)

    def past(self, name: str, c: Tensor) -> Tensor:
        return self.within.past(name, c)


class Contextual(Conditioning):
    """A context that is a latent variable of the walk, beside the condition `within`.

    Arguments: `within`, how a condition enters; `grid`, x -> numbers in [0, 1]; `diffusion`, a model of these;
    `networks` by level, (state, frequencies) -> state.
    """

    def __init__(
        self, within: Conditioning, *, grid: Grid, diffusion: Diffusion, networks: Mapping[str, nn.Module]
    ) -> None:
        super().__init__()
        self.within, self.conditions = within, within.conditions
        self.grid, self.diffusion, self.networks = grid, diffusion, nn.ModuleDict(dict(networks))

    def forward(self, visit: Visit, evidence: Evidence) -> Entry:
        u = evidence.feature(CONTEXT)
        # Of the diffusion u is the datum; of the model that it stands in, a latent.
        own = Evidence(evidence.n) if u is None else Evidence(evidence.n, u, features=self.diffusion.features(Datum(u)))
        u = self.diffusion.walk(lambda site: visit(_latent(site)), own)
        frequencies = self.grid.frequencies_at(u)
        within = self.within(visit, evidence)
        return UnderContext(within, frequencies, self.networks)  # type: ignore[arg-type]  # a ModuleDict is one

    def prepare(self, datum: Datum) -> None:
        self.within.prepare(datum)
        self.grid.start(datum.x)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {**self.within.features(datum), CONTEXT: self.grid(datum.x)}

    def extra_repr(self) -> str:
        return f"{self.diffusion.extra_repr().replace('z', CONTEXT)}, {CONTEXT}"


def _latent(site: Site) -> Site:
    """A site of the diffusion as one of the whole model."""
    if site.data:
        assert isinstance(site.p, GridGaussian)
        return Site(CONTEXT, site.p, None if site.value is None else Fixed(site.value, site.p.levels))
    return site if site.auxiliary else replace(site, name=site.name.replace("z", CONTEXT))
