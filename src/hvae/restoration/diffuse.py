r"""Restoration by a diffusion, whose levels have the shape of the data: what is seen is known at each of them.

    fill      z_s ~ q(z_s | z_t, x) where x is seen,  z_s ~ p(z_s | z_t) elsewhere,  from the top down, several times,
              each time from a lower level, at which all of the last filling is given noise again
              Song et al. 2021, arXiv 2011.13456, app. I.2; Lugmayr et al. 2022, arXiv 2201.09865, alg. 1
    clean     z_t = alpha_t y + sqrt(sigma_t^2 - alpha_t^2 s^2) eps  at the lowest level with more noise than the s of
              y = x + s eps',  then  z_s ~ p(z_s | z_t)  down to x: a draw from p(x | z_t) of the model itself

A filling errs by what the draws at a level know of those seen below it, which is nothing: hence the repetitions.

Shapes: `B` pictures; `...` a datum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from hvae.condition import Context
from hvae.distributions import Denoising, Depth, GridGaussian, Normal
from hvae.distributions.denoising import alpha, sigma
from hvae.draw import Draw, Drawn, coarse, latents, masked, posterior, prior, upper
from hvae.draw.base import Wrapper
from hvae.errors import HvaeError
from hvae.restoration.observation import Exact, Noisy, Observation
from hvae.restoration.ways import Swept, Tick, evidence_of, law_of
from hvae.site import Site
from hvae.trace import Trace
from hvae.walk import Model, glimpse, run

MOST_LEVELS = 100
"""Of a walk: a diffusion of more is walked in longer strides."""


@dataclass(frozen=True, kw_only=True)
class Strides:
    """Of a diffusion: `levels` of a walk, how many `names` they have below the top, and `values` of a number."""

    levels: int
    names: int
    values: int


def strides(model: Model) -> Strides | None:
    """How a diffusion is walked; None of other models."""
    trace = glimpse(model)
    law = next((record.p for record in trace.observed), None)
    depth = next((record.p for record in trace.records.values() if isinstance(record.p, Depth)), None)
    if not isinstance(law, GridGaussian) or depth is None:
        return None
    names = len({record.name for record in trace.latents}) - 1
    return Strides(levels=min(depth.total, MOST_LEVELS), names=names, values=law.levels)


@dataclass(frozen=True, kw_only=True)
class Diffuse(Swept):
    """Walks of a diffusion that keep to what is seen: filled in `sweeps` walks a draw, or cleaned in one."""

    name: ClassVar[str] = "diffuse"
    proposes: ClassVar[bool] = True
    sweeps: int = 10

    def walks(
        self, model: Model, observation: Observation, context: Context, draws: int, tick: Tick = lambda: None
    ) -> Iterator[Trace]:
        size = strides(model)
        if size is None:
            raise HvaeError("--way diffuse is for diffusions (model.family vdm), and this model is none; leave it out")
        for _ in range(draws):
            if isinstance(observation, Exact):
                yield self._filled(model, size, observation, context, tick)
            elif isinstance(observation, Noisy):
                yield self._cleaned(model, size, observation, context, tick)
            else:
                raise HvaeError(
                    "a diffusion fills what is hidden and takes out noise of a known size; enlarge and colour with "
                    "another family, such as ladder"
                )

    def _filled(self, model: Model, size: Strides, observation: Exact, context: Context, tick: Tick) -> Trace:
        x = observation.start()
        for sweep in range(self.sweeps):
            draw = coarse(size.levels, latents(self._draw(size.names, observation.seen, sweep)))
            trace = run(model, draw, evidence_of(model, x, context))
            x = observation.sample(law_of(trace))
            tick()
        return trace

    def _draw(self, names: int, mask: Tensor, sweep: int) -> Draw:
        """Of a sweep: after the first, half of the names, then more, are drawn from q(z | x) in every place."""
        replaced, half = masked(mask, posterior, prior()), names // 2
        start = max(1, half + (sweep - 1) * (names - half) // max(1, self.sweeps - 1))
        return upper(start, below=replaced) if sweep else replaced

    def _cleaned(self, model: Model, size: Strides, observation: Noisy, context: Context, tick: Tick) -> Trace:
        step = 2 * (size.values - 1) / size.values  # of the unit in which data are centred
        y = step * observation.y + 1 / size.values - 1
        draw = coarse(size.levels, latents(_FromNoise(prior(), y, step * observation.sigma, step)))
        trace = run(model, draw, evidence_of(model, observation.y, context))
        for _ in range(self.sweeps):
            tick()
        return trace


@dataclass(frozen=True, eq=False)
class _FromNoise(Wrapper):
    r"""Of noisy data y = x + s eps: levels with no less noise than they have are y with more; `otherwise` the others.

    $$z_t \sim N(\alpha_t y, \sigma_t^2 - \alpha_t^2 s^2)$$

    Arguments: `y` (B, ...) and `deviation` s, in the unit of x, which is `unit` times that of the data.
    """

    y: Tensor
    deviation: float
    unit: float

    def __call__(self, site: Site) -> Drawn:
        a, s = _shares(site)
        if bool((s < a * self.deviation).any()):
            if not isinstance(site.p, Denoising):
                most, got = float((s / a).max()) / self.unit, self.deviation / self.unit
                raise HvaeError(
                    f"expected noise of at most {most:.3g}, that of the top of this diffusion, got {got:.3g}"
                )
            return self.otherwise(site)
        law = Normal(a * self.y, (s**2 - (a * self.deviation) ** 2).clamp_min(0).sqrt().expand_as(self.y))
        return Drawn(law.sample(), law)


def _shares(site: Site) -> tuple[Tensor, Tensor]:
    """alpha and sigma of a level of a diffusion."""
    if isinstance(site.p, Denoising):
        return alpha(site.p.near), sigma(site.p.near)
    assert isinstance(site.q, Normal), "the top is q(z | x) of the datum"
    return (1 - site.q.scale**2).sqrt(), site.q.scale
