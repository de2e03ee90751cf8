"""Draws that take a diffusion from noise to data in few steps, one call of its denoiser each.

Each replaces the noise that a level draws of its own by a step that keeps the marginals of the levels, if only the
denoiser is right; they follow the probability-flow equation ever closer as there are more steps.

Shapes: as the sites they answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from hvae.distributions.denoising import Denoising
from hvae.distributions.normal import Normal
from hvae.draw.base import Draw, Drawn, Wrapper, as_draw, prior
from hvae.draw.choices import coarse
from hvae.errors import HvaeError, unknown
from hvae.modules import every
from hvae.site import Site


@dataclass(frozen=True, eq=False)
class _DDIM(Wrapper):
    eta: float

    def __call__(self, site: Site) -> Drawn:
        if not isinstance(site.p, Denoising):
            return self.otherwise(site)
        law = site.p.ddim(self.eta)
        return Drawn(law.sample() if self.eta else law.loc, law)

    def coarsens(self) -> bool:
        return True


def ddim(eta: float = 0.0, otherwise: Draw = prior()) -> Draw:
    """Levels of a diffusion with `eta` times their own noise and the same marginals; `otherwise` draws the rest.

    0 adds none, so that the top level decides everything; 1 is what `prior()` does.  Song, Meng and Ermon 2021, arXiv
    2010.02502, eq. (12).  Raises HvaeError for an eta out of [0, 1], and, when it runs, for a model that is none.

    >>> ddim(0.5).eta
    0.5
    """
    if not 0 <= eta <= 1:
        raise HvaeError(f"expected an eta from 0 (no noise) to 1 (that of the model), got {eta}")
    return _DDIM(as_draw(otherwise), float(eta))


@dataclass(eq=False)
class _Past:
    """The last step of a walk: the value it gave, the guess it rested on, and half its change of log(SNR)."""

    value: Tensor | None = None
    guess: Tensor | None = None
    change: Tensor | None = None


@dataclass(frozen=True, eq=False)
class _SecondOrder(Wrapper):
    past: _Past = field(default_factory=_Past)

    def __call__(self, site: Site) -> Drawn:
        if not isinstance(site.p, Denoising):
            return self.otherwise(site)
        law = self._law(site.p)
        past = self.past
        past.value, past.guess, past.change = law.loc, site.p.guess, 0.5 * (site.p.far - site.p.near)
        return Drawn(law.loc, law)

    def _law(self, p: Denoising) -> Normal:
        past = self.past
        # A walk that begins, or goes on from a pinned level, has no step before.  Guidance hands each step a copy.
        if past.value is None or past.guess is None or past.change is None or not _are_equal(past.value, p.z):
            return p.ddim(0.0)
        ahead = 0.5 * (p.far - p.near) / past.change
        return Denoising(p.z, p.guess + 0.5 * ahead * (p.guess - past.guess), p.far, p.near).ddim(0.0)

    def coarsens(self) -> bool:
        return True


def _are_equal(a: Tensor, b: Tensor) -> bool:
    return a is b or (a.shape == b.shape and every(a == b))


def second_order(otherwise: Draw = prior()) -> Draw:
    r"""Levels of a diffusion without noise of their own, by a step of second order; `otherwise` draws the rest.

    $$D = \hat x_t + \frac{h}{2 h'} (\hat x_t - \hat x_{t'}), \qquad h = \tfrac12 (\gamma_t - \gamma_s)$$

    takes the place of the guess $\hat x_t$ in DDIM, where t' and h' are of the step before: one call of the denoiser a
    step (the first is of first order).  DPM-Solver++(2M), Lu et al. 2022, arXiv 2211.01095, algorithm 2.
    """
    return _SecondOrder(as_draw(otherwise))


SOLVERS: Mapping[str, Callable[[Draw], Draw]] = {
    "ancestral": lambda otherwise: otherwise,
    "ddim": lambda otherwise: ddim(0.0, otherwise),
    "second-order": second_order,
}
"""By name: the draw of the levels, given what draws the rest."""


def read_solver(text: str) -> tuple[str, int | None]:
    """A solver as people write it: its name, and after a colon how many steps it takes (none: all levels).

    Raises HvaeError for another name or number.

    >>> read_solver("ddim:50"), read_solver("second-order")
    (('ddim', 50), ('second-order', None))
    """
    name, colon, count = text.partition(":")
    if name not in SOLVERS:
        raise unknown("solver", name, SOLVERS)
    if not colon:
        return name, None
    if not count.isdecimal() or not int(count):
        raise HvaeError(f"expected a solver such as {name}:50, of 1 or more steps, got {text}")
    return name, int(count)


def solver(text: str, otherwise: Draw = prior()) -> Draw:
    """The draw of a solver, as "ddim:50"; `otherwise` draws the top level and the data.

    Raises HvaeError as `read_solver`, and, when it runs, for more steps than a model has levels, and a model that is no
    diffusion.
    """
    name, count = read_solver(text)
    draw = SOLVERS[name](as_draw(otherwise))
    return draw if count is None else coarse(count, draw)
