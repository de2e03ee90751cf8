"""A training step of the variational recurrent network over the same arithmetic in a hand-written loop.

    python benchmarks/sequence_step.py [--steps 100,400,1600] [--batch 16] [--state 32] [--layers 1] [--rounds 10]
    python benchmarks/sequence_step.py --layers 2 --official FOLDER

Both sides use the same weights, the same data and the same noise, and their losses are checked to be equal first; a
step is the forward and the backward pass and one of Adam.  Both run whatever does not depend on the recurrence for all
steps at once.  Rounds alternate; what is printed are medians of CPU time, which another program on the machine changes
little, their ratio (1.15 or less is the aim), and the time per step of a sequence, which should not grow with it.

With --official the class VRNN of FOLDER/model.py is timed as a third side, which is read from there and not part of
this package (git clone https://github.com/emited/VariationalRecurrentNeuralNetwork FOLDER).  With --layers 2 its
networks have the depths of ours; it runs all of them step by step, and one more for a scale that no loss reads.
"""

from __future__ import annotations

import argparse
import ast
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hvae.config import VRNNConfig
from hvae.draw import posterior
from hvae.models.recurrent import Recurrent
from hvae.walk import run
from hvae.zoo import build

NOTES = 88
Loss = Callable[[Any, Tensor], Tensor]
Side = tuple[Loss, nn.Module]


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


def official(folder: Path, width: int) -> nn.Module:
    """The published class, without what else its file imports."""
    tree = ast.parse((folder / "model.py").read_text())
    tree.body = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "VRNN"]
    eps = torch.finfo(torch.float).eps
    names: dict[str, Any] = {"torch": torch, "nn": nn, "device": torch.device("cpu"), "EPS": eps}
    exec(compile(tree, "model.py", "exec"), names)
    model: nn.Module = names["VRNN"](NOTES, width, width, 1)
    return model


def by_others(model: nn.Module, x: Tensor) -> Tensor:
    kl, nll, *_ = model(x.transpose(0, 1))
    loss: Tensor = (kl + nll) / len(x)
    return loss


def seconds(loss: Loss, model: nn.Module, x: Tensor, optimiser: torch.optim.Optimizer) -> float:
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
    parser.add_argument("--layers", type=int, default=1, help="hidden layers of the networks of data and posterior")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--official", type=Path, help="a folder with the published code")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = VRNNConfig(latent=args.state, state=args.state, width=args.state, layers=args.layers)
    print(f"{'steps':>6} {'walk':>10} {'by hand':>10} {'ratio':>6} {'public':>10} {'ratio':>6} {'walk, a step':>14}")
    for steps in map(int, args.steps.split(",")):
        model = build(config, (steps, NOTES), bits=1)
        x = torch.bernoulli(torch.full((args.batch, steps, NOTES), 0.05))
        check(model, x)
        others: list[Side] = [(by_others, official(args.official, args.state))] if args.official else []
        walk, hand, *public = times([(by_walk, model), (by_hand, model), *others], x, args.rounds)
        beside = "".join(f"{other:>8.3f} s {walk / other:>6.3f}" for other in public) or f"{'-':>10} {'-':>6}"
        print(f"{steps:>6} {walk:>8.3f} s {hand:>8.3f} s {walk / hand:>6.3f} {beside} {1e6 * walk / steps:>11.0f} us")


def times(sides: list[Side], x: Tensor, rounds: int) -> list[float]:
    """Medians of the seconds of a step of each side, in turns; the first round is left out."""
    optimisers = [torch.optim.Adam(model.parameters(), lr=1e-5) for _, model in sides]
    taken = [
        [seconds(loss, model, x, adam) for (loss, model), adam in zip(sides, optimisers, strict=True)]
        for _ in range(rounds + 1)
    ]
    return [statistics.median(side[1:]) for side in zip(*taken, strict=True)]


if __name__ == "__main__":
    main()
