r"""A base distribution pushed through an invertible map: normalising flows as posteriors.

Shapes: `B` batch; `...` the event, the same before and after the map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hvae.distributions.base import Distribution
from hvae.errors import HvaeError

Map = Callable[[Tensor], tuple[Tensor, Tensor]]
"""A value, (B, ...), to its image and the log-determinant of the forward map there.

The log-determinant is (B, ...) where the map is triangular and each element has a diagonal entry of its own, so that
rates stay element by element; else anything that broadcasts to it and sums to the whole over it.
"""


class Flowed(Distribution):
    r"""The law of z = f(z_0), z_0 drawn from a base.

    $$\log q(z) = \log q_0(z_0) - \log\Big|\det\frac{\partial f}{\partial z_0}\Big|, \qquad z_0 = f^{-1}(z)$$

    Rezende and Mohamed 2015, arXiv 1505.05770, eq. (5).  The log-probability of its own last draw is remembered, since
    an autoregressive f costs one pass forward and one pass an element backward (Kingma et al. 2016, arXiv 1606.04934,
    sec. 2.2); the draw is known by identity, so any copy of it counts as another value.

    Arguments: `base`, over (B, ...); `forward`, z_0 -> (z, log-determinant of f at z_0); `inverse`, z -> (z_0,
    log-determinant of f at z_0), needed for values that are not the last draw; `passes`, how many networks `forward`
    runs, each of them after the one before.
    Raises HvaeError when such a value is scored without an inverse.

    >>> from hvae.distributions import Normal
    >>> q = Flowed(Normal(torch.zeros(1, 2), torch.ones(1, 2)), lambda z: (2 * z, torch.full_like(z, 2.0).log()))
    >>> z = q.sample()
    >>> torch.allclose(q.log_prob(z), Normal(torch.zeros(1, 2), torch.full((1, 2), 2.0)).log_prob(z))
    True
    """

    has_exact_mean = False

    def __init__(self, base: Distribution, forward: Map, inverse: Map | None = None, passes: int = 1) -> None:
        self.base, self.forward, self.inverse, self.passes = base, forward, inverse, passes
        self.density = base.density
        self._drawn: tuple[Tensor, Tensor] | None = None

    def sample(self) -> Tensor:
        return self.push(self.base.sample())

    def log_prob(self, value: Tensor) -> Tensor:
        if self._drawn is not None and value is self._drawn[0]:
            return self._drawn[1]
        if self.inverse is None:
            raise HvaeError(
                "expected the last draw of a flow that has no inverse, got another value; "
                "draw this level from its posterior or prior, or choose a posterior that can score given values"
            )
        start, log_det = self.inverse(value)
        total = self.base.log_prob(start) - log_det
        # Far from where it was learnt an autoregressive inverse leaves the range of numbers: there is no density left.
        return torch.where(total.isnan(), -torch.inf, total)

    def mode(self) -> Tensor:
        """The image of the base's mode, which stands in for the true one."""
        return self.push(self.base.mode())

    def mean(self) -> Tensor:
        """The image of the base's mean; the true mean only where the map is affine.

        No draw: the last one stays remembered.
        """
        return self.forward(self.base.mean())[0]

    def tempered(self, t: float) -> Flowed:
        """The same map of the tempered base."""
        return Flowed(self.base.tempered(t), self.forward, self.inverse, self.passes)

    def detach(self) -> Flowed:
        """The same law, a function of its value alone.

        What was drawn before is forgotten: how its log-probability changes with the value is a matter of the inverse.
        """
        inverse = None if self.inverse is None else stopped(self.inverse)
        return Flowed(self.base.detach(), stopped(self.forward), inverse, self.passes)

    def penalty(self) -> Tensor:
        return self.base.penalty()

    def push(self, start: Tensor) -> Tensor:
        """The image of a value of the base, remembered with its log-probability as a draw is."""
        value, log_det = self.forward(start)
        self._drawn = value, self.base.log_prob(start) - log_det
        return value

    def __repr__(self) -> str:
        return f"Flowed({self.base!r})"


def stopped(f: Map) -> Map:
    """The same map, with gradients for its argument but for nothing that it closes over.

    >>> w, z = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    >>> stopped(lambda z: (w * z, w.log()))(z)[0].backward()
    >>> z.grad, w.grad
    (tensor([1.]), None)
    """
    return lambda z: _Stopped.apply(f, z)


class _Stopped(torch.autograd.Function):
    """Runs a map on a graph of its own, of which only the argument's gradient leaves."""

    @staticmethod
    def forward(ctx: Any, f: Map, z: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            ctx.start = z.detach().requires_grad_()
            ctx.images = f(ctx.start)
        return ctx.images[0].detach(), ctx.images[1].detach()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor | None]:
        pairs = [(image, g) for image, g in zip(ctx.images, gradients, strict=True) if image.requires_grad]
        if not pairs:
            return None, None
        images, grads = [image for image, _ in pairs], [g for _, g in pairs]
        return None, torch.autograd.grad(images, ctx.start, grads, allow_unused=True)[0]
