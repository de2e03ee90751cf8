r"""How much a posterior family loses on a posterior of two peaks: every gap by quadrature, nothing sampled.

    python examples/two_peaks.py [--x 1.5] [--sigma 0.3]

    a, b ~ N(0, 1),   x = a b + sigma eps,   gap = log p(x) - max_q ELBO = min_q KL(q(a, b) || p(a, b | x))

One datum x, whose causes may both be positive or both negative.  A network of any depth that ends in a mean and a scale
has no smaller gap on this datum than the best mean and the best scale, which are searched for here without a network.
Given a, p(b | a, x) is a Gaussian, so that q(b | a) can be exact and q(a) decides: a ladder of two levels, and one
affine autoregressive step (Kingma et al. 2016, arXiv 1606.04934), are both q(a) Gaussian and q(b | a) free.  A level u
above, one bit that says which of the two peaks, makes q(a) a mixture; its bound also pays KL(q(u | a) || r(u | a))
(Ranganath et al. 2016, arXiv 1511.02386, eq. 6), which is zero where r is a sigmoid of a.  A flow that maps a normal
onto the same mixture, by its inverse distribution function, has the same gap.

Shapes: `A` points of a; `B` of b.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import torch
from torch import Tensor

from hvae.distributions import Normal

LINE = torch.linspace(-5, 5, 101, dtype=torch.float64)
STEP = float(LINE[1] - LINE[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--x", type=float, default=1.5, help="the datum (default: 1.5)")
    parser.add_argument("--sigma", type=float, default=0.3, help="its noise (default: 0.3)")
    args = parser.parse_args()
    print(f"log p(x) = {float(log_evidence(args.x, args.sigma)):.4f} nats; gaps in nats:")
    for name, gap in gaps(args.x, args.sigma).items():
        print(f"{gap:8.4f}  {name}")


def gaps(x: float, sigma: float) -> dict[str, float]:
    """The smallest gap of each family of posteriors, in nats."""
    both, top = joint(x, sigma), of_top(x, sigma)
    return {
        "diagonal Gaussian": best(lambda raw: plane_gap(both, raw, raw.new_zeros(())), [1.0, 1.0, -1.0, -1.0]),
        "Gaussian of full covariance": best(lambda raw: plane_gap(both, raw, raw[4]), [1.0, 1.0, -1.0, -1.0, 0.0]),
        "two levels, q(a) q(b | a); one affine autoregressive step": best(lambda raw: line_gap(top, raw), [1.0, -1.0]),
        "three levels, q(u) q(a | u) q(b | a), u a bit; a flow onto the same q(a)": best(
            lambda raw: mixed_gap(top, raw), [1.0, -1.0]
        ),
    }


def best(gap: Callable[[Tensor], Tensor], start: list[float]) -> float:
    """The least value of a gap over its raw parameters, from one start."""
    return float(gap(descended(gap, torch.tensor(start, dtype=torch.float64))))


def descended(gap: Callable[[Tensor], Tensor], start: Tensor) -> Tensor:
    raw = start.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([raw], lr=0.5, max_iter=60, line_search_fn="strong_wolfe", tolerance_change=1e-12)

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = gap(raw)
        value.backward()
        return value

    optimiser.step(loss)
    return raw.detach()


def log_evidence(x: float, sigma: float) -> Tensor:
    """log p(x), by the trapezium rule over a: p(x | a) = N(0, a^2 + sigma^2)."""
    return (unnormalised(x, sigma).logsumexp(0) + math.log(STEP)).squeeze()


def unnormalised(x: float, sigma: float) -> Tensor:
    """log p(a, x), (A,)."""
    at = torch.full_like(LINE, x)
    marginal = Normal(torch.zeros_like(LINE), (LINE**2 + sigma**2).sqrt())
    return standard(LINE) + marginal.log_prob(at)


def standard(z: Tensor) -> Tensor:
    return Normal(torch.zeros_like(z), torch.ones_like(z)).log_prob(z)


def of_top(x: float, sigma: float) -> Tensor:
    """log p(a | x), (A,)."""
    return unnormalised(x, sigma) - log_evidence(x, sigma)


def joint(x: float, sigma: float) -> Tensor:
    """log p(a, b | x), (A, B)."""
    product = LINE[:, None] * LINE
    noise = Normal(product, torch.full_like(product, sigma))
    log_p = standard(LINE)[:, None] + standard(LINE) + noise.log_prob(torch.full_like(product, x))
    return log_p - log_evidence(x, sigma)


def divergence(log_q: Tensor, log_p: Tensor, area: float) -> Tensor:
    """KL(q || p) of densities on a grid, after q is made to sum to one there."""
    log_q = log_q - (log_q.flatten().logsumexp(0) + math.log(area))
    return (log_q.exp() * (log_q - log_p)).sum() * area


def plane_gap(log_p: Tensor, raw: Tensor, slope: Tensor) -> Tensor:
    """Of a Gaussian in the plane: a ~ N(loc_a, scale_a), b given a ~ N(loc_b + slope (a - loc_a), scale_b)."""
    loc, scale = raw[:2], raw[2:4].exp()
    a = Normal(loc[0].expand_as(LINE), scale[0].expand_as(LINE)).log_prob(LINE)
    centre = (loc[1] + slope * (LINE - loc[0]))[:, None].expand_as(log_p)
    b = Normal(centre, scale[1].expand_as(log_p)).log_prob(LINE.expand_as(log_p))
    return divergence(a[:, None] + b, log_p, STEP**2)


def line_gap(log_p: Tensor, raw: Tensor) -> Tensor:
    """Of a Gaussian q(a), q(b | a) being exact."""
    return divergence(Normal(raw[0].expand_as(LINE), raw[1].exp().expand_as(LINE)).log_prob(LINE), log_p, STEP)


def mixed_gap(log_p: Tensor, raw: Tensor) -> Tensor:
    """Of q(u) = 1/2, q(a | u) = N(-m or m, s^2).

    r(u = 1 | a) = sigmoid(2 a m / s^2) is exactly q(u | a), so that the bound of three levels pays no more than this.
    """
    half = [Normal(side * raw[0].expand_as(LINE), raw[1].exp().expand_as(LINE)).log_prob(LINE) for side in (-1, 1)]
    return divergence(torch.stack(half).logsumexp(0), log_p, STEP)


if __name__ == "__main__":
    main()
