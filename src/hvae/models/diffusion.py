"""Diffusion: levels of the size of the data, a q that is fixed, one denoiser for all levels.

Shapes: `n` rows; `S` levels of a walk; `K` of them that are visited; `...` the shape of the data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from hvae.datum import Datum
from hvae.distributions import Denoising, Depth, GridGaussian, Moments, Normal, Steps, Visits, full, standard_normal
from hvae.distributions.denoising import alpha, centred, noised, sigma
from hvae.distributions.discrete import level_of
from hvae.errors import HvaeError
from hvae.models.conditioning import Conditioning, Entry
from hvae.nn.denoiser import Dense
from hvae.nn.noise import Schedule
from hvae.nn.unet import UNet
from hvae.range import UNIT
from hvae.site import Site, Visit
from hvae.walk import Evidence, Model

BANDS = 10
"""Names for the levels below the top, however many there are: neighbours share one and are told apart by their step."""
MOST_LEVELS = 10**6
DENOISER = "denoiser"
"""Where a condition enters: the vector of the noise level, which every block of the denoiser hears at every level."""

Guess = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(z_t, what the network says, alpha_t, sigma_t) -> a guess at the datum, all (n, ...)."""


def _of_noise(z: Tensor, output: Tensor, a: Tensor, s: Tensor) -> Tensor:
    return (z - s * (z + output)) / a


def _of_velocity(z: Tensor, output: Tensor, a: Tensor, s: Tensor) -> Tensor:
    return a * z - s * output


def _of_datum(z: Tensor, output: Tensor, a: Tensor, s: Tensor) -> Tensor:
    return z + output


GUESSES: Mapping[str, Guess] = {"eps": _of_noise, "v": _of_velocity, "x0": _of_datum}
"""By what the network says: noise less z_t, velocity, or datum less z_t (Salimans and Ho 2022, arXiv 2202.00512)."""

Laws = Callable[[Tensor], tuple[Normal, Normal]]
"""z above -> p and q of what is below."""


class Diffusion(Model):
    r"""A top-down hierarchy whose levels are the datum under more and more noise.

    $$q(z_t \mid x) = N(\alpha_t x, \sigma_t^2), \qquad p(z_T) = N(0, 1), \qquad
      p(z_s \mid z_t) = q(z_s \mid z_t, x = \hat x(z_t, \gamma_t)), \qquad p(x \mid z_0)$$

    Kingma, Salimans, Poole and Ho 2021, arXiv 2107.00630, sec. 3.  A walk of S levels visits z at the times 1,
    (S-1)/S, ..., 0.  Two choices of the walk are sites of their own: "levels", how many there are, and "visited", which
    of them; where only some are, each stands below a z_t drawn from q(z_t | x) at once, with the weight S / K.

    The top is z11; the others are called z10 to z1 by tenths of the time, with the number of the level as step (up to
    ten levels have a name each).  In continuous time a visited level is an instant: z_t and z_{t - dt} differ by an
    observation of x of precision -dSNR, which costs $\tfrac12 \gamma'(t)\,(\epsilon - \hat\epsilon)^2 dt$ (eq. 17).

    A condition y moves the denoiser alone, p(z_s | z_t, y): q knows x, and so y would tell it nothing.

    Arguments: `shape` of a datum; `values`, how many each number of it may take; `steps` T, 0 in continuous time;
    `walked`, levels of a whole walk there; `visited`, levels of a step of training; `schedule`; `network`, (z, g) ->
    what `guess` reads, with its `level`, noise level in [0, 1] -> g (n, G); `ends`, the gammas that are heard as 0 and
    1; `condition`, how a condition enters g.
    """

    limits = UNIT

    def __init__(
        self,
        shape: Sequence[int],
        *,
        values: int,
        steps: int,
        walked: int,
        visited: int,
        schedule: Schedule,
        network: UNet | Dense,
        guess: Guess,
        ends: tuple[float, float],
        condition: Conditioning,
    ) -> None:
        super().__init__()
        self.shape, self.values = tuple(shape), values
        self.steps, self.total, self.visited = steps, steps or walked, visited
        self.schedule, self.network, self.guess, self.ends = schedule, network, guess, ends
        self.condition, self.conditions = condition, condition.conditions
        self.bands = min(self.total, BANDS)
        self.top = f"z{self.bands + 1}"

    def extra_repr(self) -> str:
        return ", ".join(f"z{l}" for l in range(self.bands + 1, 0, -1))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {"x": centred(level_of(datum.x, self.values), self.values), **self.condition.features(datum)}

    def prepare(self, datum: Datum) -> None:
        self.condition.prepare(datum)

    def gauges(self) -> dict[str, Tensor]:
        ends = self.schedule(torch.tensor([0.0, 1.0], device=next(self.parameters()).device))
        return {"gamma/data": ends[0], "gamma/top": ends[1]}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        entry = self.condition(visit, evidence)
        rows = next(self.parameters()).new_zeros(evidence.n, *self.shape)
        most, total = self.steps or MOST_LEVELS, self.total
        depth = Depth(rows, total=total, most=most, least=self.bands)
        count = visit(Site("levels", depth, auxiliary=True)).shape[1]
        levels = visit(Site("visited", self._visits(rows, count), auxiliary=True))
        x = evidence.feature("x")
        if levels.shape[1] == count and not levels.is_floating_point():
            z = self._chain(entry, x, rows, self._numbers(count))
        else:
            z = self._thinned(entry, x, rows, count, levels)
        return visit(evidence.site(self._likelihood(z)))

    def _visits(self, rows: Tensor, count: int) -> Visits:
        few = min(self.visited, count)
        return Steps(rows, count, few=few) if self.steps else Moments(rows, count, few=few)

    def _numbers(self, count: int) -> list[int]:
        """The lower ends of `count` levels among all that there are, and the top: S + 1 numbers, rising."""
        total = self.steps or count
        return [-(-j * total // count) for j in range(count + 1)]

    def _name(self, number: int, total: int) -> tuple[str, int | None]:
        """The name and step of a level by its number among `total`."""
        is_alone = bool(self.steps) and self.steps <= BANDS
        return f"z{number * self.bands // total + 1}", None if is_alone else number

    def _chain(self, entry: Entry, x: Tensor | None, rows: Tensor, numbers: list[int]) -> Tensor:
        """Every level from z_T to z_0, each drawn from the one above it."""
        total = numbers[-1]
        gammas = self.schedule(rows.new_tensor(numbers) / total).unbind()
        z = self._top(entry, x, rows, gammas[-1])
        for below in reversed(range(len(numbers) - 1)):
            far, near = gammas[below + 1], gammas[below]
            name, step = self._name(numbers[below], total)
            p = Denoising(z, self.denoised(z, far, entry), far, near)
            z = entry(Site(name, p, None if x is None else Denoising(z, x, far, near), step=step))
        return z

    def _top(self, visit: Visit, x: Tensor | None, rows: Tensor, gamma: Tensor) -> Tensor:
        return visit(Site(self.top, standard_normal(rows, self.shape), None if x is None else noised(x, gamma)))

    def _thinned(self, entry: Entry, x: Tensor | None, rows: Tensor, count: int, levels: Tensor) -> Tensor:
        """Some levels, each below a z_t that is drawn from q(z_t | x) at once; z_0 in the end."""
        if x is None:
            raise HvaeError("levels that are drawn from one another cannot be left out: thin() needs data")
        first, last = self.schedule(rows.new_tensor([0.0, 1.0])).unbind()
        self._top(entry, x, rows, last)
        for k, place in enumerate(levels.unbind(1)):
            self._visited(entry, x, count, place, k, levels.shape[1])
        nearest = noised(x, first)
        return entry(Site("first", nearest, nearest, auxiliary=True))

    def _visited(self, entry: Entry, x: Tensor, count: int, place: Tensor, k: int, of: int) -> None:
        """The k-th of the visited levels, at each row's own place (n,) among `count`."""
        at = self._instant if place.is_floating_point() else self._level
        far, laws, band = at(entry, x, count, place)
        above = noised(x, far)
        z = entry(Site("above", above, above, step=k, auxiliary=True))
        p, q = laws(z)
        # Rows are of different bands: one law and value for all, and under each name the rows that belong to it.
        top, *rest = (
            Site(f"z{b + 1}", p, q, step=k, weight=count / of, mask=band == b) for b in reversed(range(self.bands))
        )
        value = entry(top)
        for site in rest:
            entry(replace(site, value=value, proposal=q))

    def _level(self, entry: Entry, x: Tensor, count: int, place: Tensor) -> tuple[Tensor, Laws, Tensor]:
        """gamma above, laws given z there, and the band of a level by its place (n,)."""
        numbers = torch.tensor(self._numbers(count), device=x.device)
        times = numbers.to(x.dtype) / numbers[-1]
        far, near = (self._wide(self.schedule(times[at])) for at in (place + 1, place))

        def laws(z: Tensor) -> tuple[Normal, Normal]:
            return Denoising(z, self.denoised(z, far, entry), far, near), Denoising(z, x, far, near)

        return far, laws, numbers[place] * self.bands // numbers[-1]

    def _instant(self, entry: Entry, x: Tensor, count: int, place: Tensor) -> tuple[Tensor, Laws, Tensor]:
        """The same of an instant: an observation of x of the precision -dSNR / dt, of which a level has 1 / S."""
        time = place.to(x.dtype) / count
        gamma, slope = self._wide(self.schedule(time)), self._wide(self.schedule.slope(time))
        scale = ((0.5 * gamma).exp() * (count / slope).sqrt()).expand_as(x)
        band = (time * self.bands).long().clamp(max=self.bands - 1)
        return gamma, lambda z: (Normal(self.denoised(z, gamma, entry), scale), Normal(x, scale)), band

    def _wide(self, gamma: Tensor) -> Tensor:
        return gamma.view(-1, *[1] * len(self.shape))

    def denoised(self, z: Tensor, gamma: Tensor, entry: Entry) -> Tensor:
        """The guess at x from z_t, (n, ...), in one walk; `gamma` of all rows, (), or of each, (n, 1, ...)."""
        low, high = self.ends
        level = ((gamma - low) / (high - low)).flatten().expand(z.shape[0])
        g = entry.state(DENOISER, self.network.level(level))
        return self.guess(z, full(self.network(z, g)), alpha(gamma), sigma(gamma))

    def _likelihood(self, z: Tensor) -> GridGaussian:
        gamma = self.schedule(z.new_zeros(1))[0]
        return GridGaussian(z / alpha(gamma), (0.5 * gamma).exp(), self.values)
