r"""The laws of a diffusion: a level given the one above it, and data given the last level.

    z_t = alpha_t x + sigma_t eps,   alpha^2 = sigmoid(-gamma),   sigma^2 = sigmoid(gamma)      Kingma et al. 2021,
                                                                         arXiv 2107.00630, sec. 3.1, app. A and C

Shapes: `B` batch; `...` the shape of the data; `L` values that a datum may take.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hvae.distributions.base import Distribution
from hvae.distributions.discrete import choose, level_of
from hvae.distributions.divergence import normal_kl, normal_ratio, register_kl, register_ratio
from hvae.distributions.normal import Normal
from hvae.range import has_values

DIGITS = 40.0
"""Nats below the largest from which a mass no longer counts: e^-40 is below the rounding of float64."""


def alpha(gamma: Tensor) -> Tensor:
    """The share of the data in z."""
    return torch.sigmoid(-gamma).sqrt()


def sigma(gamma: Tensor) -> Tensor:
    """The standard deviation of the noise in z."""
    return torch.sigmoid(gamma).sqrt()


def noised(x: Tensor, gamma: Tensor) -> Normal:
    """q(z_t | x) = N(alpha_t x, sigma_t^2); `gamma` broadcasts over x, (B, ...)."""
    return Normal(alpha(gamma) * x, sigma(gamma).expand_as(x))


class Denoising(Normal):
    r"""q(z_s | z_t, x) for s < t, where x is the datum or a `guess` at it: the Bayesian update of two Gaussians.

    $$\mu = \frac{\alpha_s}{\alpha_t} (z_t - \sigma_t c\, \hat\epsilon), \qquad \sigma^2 = \sigma_s^2 c, \qquad
      c = -\mathrm{expm1}(\gamma_s - \gamma_t), \quad \hat\epsilon = (z_t - \alpha_t \hat x) / \sigma_t$$

    Two of them at one z_t differ by $KL = \tfrac12 (\mathrm{SNR}_s - \mathrm{SNR}_t) (x - \hat x)^2
    = \tfrac12 \mathrm{expm1}(\gamma_t - \gamma_s) (\epsilon - \hat\epsilon)^2$.

    Arguments: `z` (B, ...), z_t; `guess` (B, ...); `far` and `near`, gamma_t and gamma_s, which broadcast over z.

    >>> z, gammas = torch.ones(1, 2), (torch.tensor(0.0), torch.tensor(-2.0))
    >>> Denoising(z, torch.zeros(1, 2), *gammas).loc < Denoising(z, torch.ones(1, 2), *gammas).loc
    tensor([[True, True]])
    """

    def __init__(self, z: Tensor, guess: Tensor, far: Tensor, near: Tensor) -> None:
        self.z, self.guess, self.far, self.near = z, guess, far, near
        removed = -torch.expm1(near - far)
        self.loc = (alpha(near) / alpha(far)) * (z - removed * (z - alpha(far) * guess))
        self.scale = (sigma(near) * removed.sqrt()).expand_as(z)

    def noise(self) -> Tensor:
        """What the guess leaves for noise, eps-hat; the score of q(z_t) is -eps-hat / sigma_t (Kingma, app. I)."""
        return (self.z - alpha(self.far) * self.guess) / sigma(self.far)

    def guided(self, weight: float) -> Denoising:
        r"""The law of n rows from that of 2 n: these under a condition, then the same without it.

        $$\hat x = \hat x_u + w\,(\hat x_c - \hat x_u)$$

        Of one z_t the noises follow with the same w: Ho and Salimans 2022, arXiv 2207.12598, eq. (6), whose w is one
        less.  The mean moves as that of any Gaussian level does, and what a solver makes of the guess follows too.
        """
        guess, free = self.guess.chunk(2)
        return Denoising(_first(self.z), torch.lerp(free, guess, weight), _first(self.far), _first(self.near))

    def ddim(self, eta: float) -> Normal:
        r"""A law with less noise of its own and the same marginals, were the guess x itself.

        $$\mu = \alpha_s \hat x + \sqrt{\sigma_s^2 - \eta^2 \sigma^2}\, \hat\epsilon, \qquad \eta \sigma$$

        Song, Meng and Ermon 2021, arXiv 2010.02502, eq. (12) and (16): eta 1 is this law, 0 takes a step without noise.
        """
        own = eta * self.scale
        rest = (sigma(self.near) ** 2 - own**2).clamp(min=0).sqrt()
        return Normal(alpha(self.near) * self.guess + rest * self.noise(), own)


def _first(t: Tensor) -> Tensor:
    """The first half of 2 n rows; one number for all rows as it is."""
    return t.chunk(2)[0] if t.ndim else t


for pair in ((Normal, Denoising), (Denoising, Normal)):
    register_kl(*pair)(normal_kl)
    register_ratio(*pair)(normal_ratio)


@register_kl(Denoising, Denoising)
def denoising_kl(q: Denoising, p: Denoising) -> Tensor:
    r"""KL between two of them, per coordinate, in nats.

    $$\tfrac12 (\mathrm{SNR}_s - \mathrm{SNR}_t) (x - \hat x)^2$$

    at one z_t.  The two means differ by a share of x - xhat that vanishes as levels come closer, and their rounding
    does not: what T levels cost by their means is wrong by T^2 times as much.

    >>> z, gammas = torch.ones(1, 1), (torch.tensor(0.0), torch.tensor(-2.0))
    >>> denoising_kl(Denoising(z, torch.ones(1, 1), *gammas), Denoising(z, torch.zeros(1, 1), *gammas))
    tensor([[3.1945]])
    """
    if not _are_of_one_level(q, p):
        return normal_kl(q, p)
    return -0.5 * torch.exp(-q.near) * torch.expm1(q.near - q.far) * (q.guess - p.guess) ** 2


@register_ratio(Denoising, Denoising)
def denoising_ratio(q: Denoising, p: Denoising, value: Tensor) -> Tensor:
    r"""log q(z_s) - log p(z_s) of two of them at one z_t, (B, ...), in nats, by what their guesses differ in.

    $$d\,(\epsilon + \tfrac12 d), \qquad d = \sqrt{\mathrm{SNR}_s - \mathrm{SNR}_t}\,(x - \hat x), \quad
      \epsilon = (z_s - \mu_q) / \sigma$$

    >>> z, gammas = torch.ones(1, 1), (torch.tensor(0.0), torch.tensor(-2.0))
    >>> q, p = Denoising(z, torch.ones(1, 1), *gammas), Denoising(z, torch.zeros(1, 1), *gammas)
    >>> denoising_ratio(q, p, q.loc)
    tensor([[3.1945]])
    """
    if not _are_of_one_level(q, p):
        return normal_ratio(q, p, value)
    apart = (-torch.exp(-q.near) * torch.expm1(q.near - q.far)).sqrt() * (q.guess - p.guess)
    return apart * ((value - q.loc) / q.scale + 0.5 * apart)


def _are_of_one_level(q: Denoising, p: Denoising) -> bool:
    return q.z is p.z and q.far is p.far and q.near is p.near


class GridGaussian(Distribution):
    r"""One of L values on a grid, as probable as a Gaussian's density says.

    $$p(k) \propto \exp\Big(-\tfrac12 \Big(\frac{u - x_k}{s}\Big)^2\Big), \qquad x_k = 2 (k + \tfrac12) / L - 1$$

    It sums to one over the grid.  Kingma et al. 2021, arXiv 2107.00630, sec. 3.3 and app. E: u = z_0 / alpha_0,
    s^2 = 1 / SNR(0).  Arguments: `loc` u (B, ...), in the unit of x_k; `scale` s, which broadcasts over it; `levels` L.

    >>> law = GridGaussian(torch.tensor([[0.5]]), torch.tensor(0.1), 2)
    >>> law.log_prob(torch.ones(1, 1)).exp() + law.log_prob(torch.zeros(1, 1)).exp(), law.mode()
    (tensor([[1.]]), tensor([[1.]]))
    """

    density = False

    def __init__(self, loc: Tensor, scale: Tensor, levels: int) -> None:
        self.loc, self.scale, self.levels = loc, scale, levels

    @property
    def logits(self) -> Tensor:
        """Of all values, (B, L, ...), 0 that of the nearest one."""
        return self._nats(self._grid(), self.loc[:, None], self._nearest()[:, None])

    def _grid(self) -> Tensor:
        """k of all values, (1, L, ...)."""
        return self._along(torch.arange(self.levels, device=self.loc.device))

    def _along(self, k: Tensor) -> Tensor:
        return k.view(1, -1, *[1] * (self.loc.ndim - 1))

    def _nearest(self) -> Tensor:
        """k of the value nearest to the location, (B, ...)."""
        return ((self.loc.detach() + 1) * (self.levels / 2) - 0.5).round().clamp(0, self.levels - 1)

    def _nats(self, k: Tensor, loc: Tensor, nearest: Tensor) -> Tensor:
        # The difference of two squares as a product: each alone may have more digits than a float.
        x, y = centred(k, self.levels), centred(nearest, self.levels)
        return 0.5 * (x - y) * (2 * loc - x - y) / self.scale**2

    def log_prob(self, value: Tensor) -> Tensor:
        _, nats = self._near()
        return self._nats(level_of(value, self.levels), self.loc, self._nearest()) - nats.logsumexp(1)

    def _near(self) -> tuple[Tensor, Tensor]:
        """The values k whose masses count, and their nats, both (B, K, ...): those near the nearest one."""
        nearest, reach = self._nearest()[:, None], self._reach()
        if 2 * reach + 1 >= self.levels:
            return self._grid().expand(len(nearest), -1, *nearest.shape[2:]), self.logits
        k = nearest + self._along(torch.arange(-reach, reach + 1, device=nearest.device))
        outside = (k < 0) | (k >= self.levels)
        return k, self._nats(k, self.loc[:, None], nearest).masked_fill(outside, -math.inf)

    def _reach(self) -> int:
        """How many steps of the grid from the nearest value a mass counts at most; all where scales are unknown."""
        scale = float(self.scale.detach().max()) if has_values(self.scale) else math.inf
        if not math.isfinite(scale):  # a schedule that diverged is for the guard of training to see
            return self.levels
        # With d >= 0 from the nearest to u: ((r - d)^2 - d^2) step^2 / (2 s^2) > DIGITS for r steps, d within a half;
        # beyond the ends of the grid d may be larger, which only makes the masses fall faster.
        squared = 2 * DIGITS * (self.levels / 2 * scale) ** 2
        return math.ceil(0.5 + math.sqrt(0.25 + squared))

    def sample(self) -> Tensor:
        k, nats = self._near()
        return self._value(k.gather(1, choose(nats)).squeeze(1))

    def mode(self) -> Tensor:
        return self._value(self._nearest())

    def mean(self) -> Tensor:
        k, nats = self._near()
        return self._value((nats.softmax(1) * k).sum(1))

    def _value(self, k: Tensor) -> Tensor:
        return k.to(self.loc.dtype) / (self.levels - 1)

    def tempered(self, t: float) -> GridGaussian:
        return GridGaussian(self.loc, self.scale * t, self.levels)

    def detach(self) -> GridGaussian:
        return GridGaussian(self.loc.detach(), self.scale.detach(), self.levels)


def centred(k: Tensor, levels: int) -> Tensor:
    """The place of the value k = 0 .. L-1 in (-1, 1): 2 (k + 1/2) / L - 1."""
    return (2 * k + 1) / levels - 1
