"""What the walk costs over the same networks called in a hand-written loop, forward and backward.

    python benchmarks/walk_overhead.py [--groups 2,3,3] [--width 32] [--batch 32] [--rounds 30]

Both sides use the same weights, the same data and the same noise, and the losses are checked to be equal first.  Rounds
alternate, and the ratio of the medians is printed: below 1.03 is the aim.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from hvae.config.model import LadderConfig
from hvae.draw import posterior
from hvae.models import TopDown
from hvae.walk import run
from hvae.zoo import build


def by_walk(model: TopDown, x: Tensor) -> Tensor:
    return -run(model, posterior, model.evidence(x)).elbo().mean()


def by_hand(model: TopDown, x: Tensor) -> Tensor:
    """The loop one would write for this one model and this one purpose."""
    features = model.bottom_up(x)
    h = model.start(len(x))
    rate = x.new_zeros(len(x))
    for name, level in model.levels.items():
        p, h = level.prior(level.enter(h))
        q = level.posterior(h, features[name], p)
        z = q.loc + q.scale * torch.randn_like(q.loc, memory_format=torch.contiguous_format)
        ratio = q.scale / p.scale
        kl = 0.5 * (ratio**2 + ((q.loc - p.loc) / p.scale) ** 2 - 1) - ratio.log()
        rate = rate + kl.flatten(1).sum(1)
        h = level.absorb(h, z)
    return (rate - model.head(model.leave(h)).log_prob(x).flatten(1).sum(1)).mean()


def seconds(loss: Callable[[TopDown, Tensor], Tensor], model: TopDown, x: Tensor) -> float:
    model.zero_grad(set_to_none=True)
    torch.manual_seed(0)
    start = time.perf_counter()
    loss(model, x).backward()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", default="2,3,3")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=30)
    args = parser.parse_args()
    torch.manual_seed(0)
    config = LadderConfig(groups=tuple(map(int, args.groups.split(","))), width=args.width)
    model = build(config, shape=(1, 28, 28), bits=1)
    x = torch.bernoulli(torch.full((args.batch, 1, 28, 28), 0.3))
    losses = []
    for loss in (by_walk, by_hand):
        torch.manual_seed(0)
        losses.append(loss(model, x).item())
    assert abs(losses[0] - losses[1]) < 1e-5 * abs(losses[1]), f"different losses: {losses}"
    times = {loss: [seconds(loss, model, x) for _ in range(3)] for loss in (by_walk, by_hand)}
    times = {loss: [] for loss in times}
    for _ in range(args.rounds):
        for loss, taken in times.items():
            taken.append(seconds(loss, model, x))
    walk, hand = (statistics.median(taken) for taken in times.values())
    print(f"walk {walk * 1e3:.2f} ms, by hand {hand * 1e3:.2f} ms, ratio {walk / hand:.3f} (medians of {args.rounds})")


if __name__ == "__main__":
    main()
