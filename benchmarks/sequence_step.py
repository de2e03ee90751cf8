"""A training step of the variational recurrent network over the same arithmetic in a hand-written loop.

    python benchmarks/sequence_step.py [--steps 100,400,1600] [--batch 16] [--state 32] [--rounds 10]

Both sides use the same weights, the same data and the same noise, and their losses are checked to be equal first; a
step is the forward and the backward pass and one of Adam.  Both run whatever does not depend on the recurrence for all
steps at once.  Rounds alternate; what is printed are medians of CPU time, which another program on the machine changes
little, their ratio (1.15 or less is the aim), and the time per step of a sequence, which should not grow with it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from hvae.config import VRNNConfig
from hvae.draw import posterior
from hvae.models.recurrent import Recurrent
from hvae.walk import run
from hvae.zoo import build

NOTES = 88
Loss = Callable[[Recurrent, Tensor], Tensor]


def by_walk(model: Recurrent, x: Tensor) -> Tensor:
    return -run(model, posterior, model.evidence(x)).elbo().mean()


def by_hand(model: Recurrent, x: Tensor) -> Tensor:
    """The loop one would write for this one model and this one purpose."""
    level, cell, size = model.level, model.enter.cell, model.enter.size
    u = model.embed(x.flatten(0, 1)).unflatten(0, x.shape[:2])
    h, phi_z, before = x.new_zeros(len(x), size), x.new_zeros(len(x), model.past_width), torch.zeros_like(u[:, 0])
    states, mu_p, sigma_p, mu_q, sigma_q = [], [], [], [], []
    for now in u.unbind(1):
        h = cell(torch.cat([before, phi_z], 1), h)
        mean, raw = level.prior.network(h).chunk(2, 1)
        mu_p.append(mean)
        sigma_p.append(level.prior.positive(raw))
        shift, raw = level.posterior.network(torch.cat([h, now], 1)).chunk(2, 1)
        mu_q.append(mean + shift)
        sigma_q.append(level.posterior.positive(raw))
        z = mu_q[-1] + sigma_q[-1] * torch.randn_like(mean)
        phi_z = level.absorb.inject(z)
        states.append(torch.cat([h, phi_z], 1))
        before = now
    p, s, q, r = (torch.stack(series, 1) for series in (mu_p, sigma_p, mu_q, sigma_q))
    ratio = r / s
    kl = 0.5 * (ratio**2 + ((q - p) / s) ** 2 - 1) - ratio.log()
    logits = model.leave(torch.stack(states, 1).flatten(0, 1)).unflatten(0, x.shape[:2])
    nll = torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none")
    return (kl.flatten(1).sum(1) + nll.flatten(1).sum(1)).mean()


def seconds(loss: Loss, model: Recurrent, x: Tensor, optimiser: torch.optim.Optimizer) -> float:
    torch.manual_seed(0)
    start = time.process_time()
    optimiser.zero_grad(set_to_none=True)
    loss(model, x).backward()
    optimiser.step()
    return time.process_time() - start


def check(model: Recurrent, x: Tensor) -> None:
    """Raises SystemExit unless both sides compute the same number."""
    losses = []
    for loss in (by_walk, by_hand):
        torch.manual_seed(0)
        losses.append(float(loss(model, x).detach()))
    if abs(losses[0] - losses[1]) > 1e-5 * abs(losses[0]):
        raise SystemExit(f"the two sides differ: {losses}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", default="100,400,1600", help="lengths of the sequences")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--state", type=int, default=32, help="width of the state and of every layer")
    parser.add_argument("--rounds", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = VRNNConfig(latent=args.state, state=args.state, width=args.state)
    print(f"{'steps':>6} {'walk':>10} {'by hand':>10} {'ratio':>6} {'walk, a step':>14}")
    for steps in map(int, args.steps.split(",")):
        model = build(config, (steps, NOTES), bits=1)
        x = torch.bernoulli(torch.full((args.batch, steps, NOTES), 0.05))
        check(model, x)
        adam = torch.optim.Adam(model.parameters(), lr=1e-5)
        times: dict[Loss, list[float]] = {by_walk: [], by_hand: []}
        for _ in range(args.rounds + 1):
            for loss, result in times.items():
                result.append(seconds(loss, model, x, adam))
        walk, hand = (statistics.median(result[1:]) for result in times.values())
        print(f"{steps:>6} {walk:>8.3f} s {hand:>8.3f} s {walk / hand:>6.3f} {1e6 * walk / steps:>11.0f} us")


if __name__ == "__main__":
    main()
