"""A training step and the sampling of a diffusion over the same arithmetic in a hand-written loop.

    python benchmarks/diffusion_step.py [--levels 10,100,1000,0] [--batch 16] [--samples 20] [--rounds 5]
    python benchmarks/diffusion_step.py --walks 10,100,1000 --batch 1 --rounds 1

A step is the forward and the backward pass at random data, one random level of each (0 levels: continuous time).  By
hand it is the network, the squared error of its noise, the cost of the top and the likelihood of the data.  Sampling is
`--samples` ancestral steps of the same network.  Rounds alternate; what is printed are medians of CPU time and their
ratio: 1.05 or less is the aim, and a step should cost the same whatever the number of levels.  With `--walks` it is
the whole walk of the bound that is timed, by the number of its levels, and nothing else: it should cost as many times a
level.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from hvae.config import VDMConfig, preset
from hvae.distributions import GridGaussian, sum_rest
from hvae.draw import coarse, posterior, prior, trained
from hvae.models.diffusion import Diffusion
from hvae.runs.source import expected_shape
from hvae.walk import run
from hvae.zoo import build

Work = Callable[[], object]


def step_by_walk(model: Diffusion, x: Tensor) -> None:
    (-run(model, trained(posterior), model.evidence(x)).elbo().mean()).backward()


def step_by_hand(model: Diffusion, x: Tensor) -> None:
    """The loss as the paper writes it."""
    n, total, ends = len(x), model.steps, model.schedule(torch.tensor([0.0, 1.0]))
    x = (2 * (x * 255).round() + 1) / 256 - 1
    t = (torch.rand(()) + torch.arange(n) / n) % 1
    if total:
        t = ((t * total).floor() + 1) / total
        weight = 0.5 * total * torch.expm1(model.schedule(t) - model.schedule(t - 1 / total))
    else:
        weight = 0.5 * model.schedule.slope(t)
    gamma, noise = model.schedule(t).view(-1, 1, 1, 1), torch.randn_like(x)
    z = torch.sigmoid(-gamma).sqrt() * x + torch.sigmoid(gamma).sqrt() * noise
    level = ((gamma - model.ends[0]) / (model.ends[1] - model.ends[0])).flatten()
    guess = z + model.network(z, model.network.level(level))
    diffusion = weight * sum_rest((noise - guess) ** 2)
    scale = (0.5 * ends[0]).exp()
    data = -sum_rest(GridGaussian(x + scale * torch.randn_like(x), scale, 256).log_prob((x * 128 + 127.5) / 255))
    mean, variance = torch.sigmoid(-ends[1]) * x**2, torch.sigmoid(ends[1])
    top = 0.5 * sum_rest(mean + variance - variance.log() - 1)
    (diffusion + data + top).mean().backward()


@torch.no_grad()
def sampling_by_walk(model: Diffusion, n: int, steps: int) -> None:
    run(model, coarse(steps, prior()), n=n)


@torch.no_grad()
def sampling_by_hand(model: Diffusion, n: int, steps: int) -> None:
    gammas = model.schedule(torch.arange(steps + 1) / steps)
    z = torch.randn(n, *model.shape)
    for far, near in zip(gammas.flip(0)[:-1], gammas.flip(0)[1:], strict=True):
        level = ((far - model.ends[0]) / (model.ends[1] - model.ends[0])).expand(n)
        removed = -torch.expm1(near - far)
        eps = z + model.network(z, model.network.level(level))
        ratio = (torch.sigmoid(-near) / torch.sigmoid(-far)).sqrt()
        z = ratio * (z - torch.sigmoid(far).sqrt() * removed * eps)
        z = z + (torch.sigmoid(near) * removed).sqrt() * torch.randn_like(z)
    law = GridGaussian(z / torch.sigmoid(-gammas[0]).sqrt(), (0.5 * gammas[0]).exp(), 256)
    law.sample()


@torch.no_grad()
def bound_by_walk(model: Diffusion, x: Tensor) -> None:
    run(model, posterior, model.evidence(x)).elbo()


def medians(works: Sequence[Work], rounds: int) -> list[float]:
    """Seconds of CPU time of each, alternating; the first round is left out."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds + 1):
        for work, seconds in zip(works, times, strict=True):
            start = time.process_time()
            work()
            seconds.append(time.process_time() - start)
    return [statistics.median(seconds[1:]) for seconds in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levels", default="10,100,1000,0")
    parser.add_argument("--preset", default="cifar10-vdm")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--samples", type=int, default=20, help="ancestral steps")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--walks", default="", help="levels of whole walks, in place of steps")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = preset(args.preset)
    shape, bits = expected_shape(config)
    assert isinstance(config.model, VDMConfig) and config.model.predict == "eps" and bits == 8
    x = torch.randint(0, 256, (args.batch, *shape)) / 255
    if args.walks:
        for levels in map(int, args.walks.split(",")):
            model = build(replace(config.model, steps=levels), shape, bits).eval()
            (seconds,) = medians([lambda: bound_by_walk(model, x)], args.rounds)  # noqa: B023
            print(f"{levels:>8} levels {seconds:>8.3f} s {1000 * seconds / levels:>8.2f} ms a level", flush=True)
        return
    print(f"{'levels':>8} {'walk':>10} {'by hand':>10} {'ratio':>6}")
    for levels in map(int, args.levels.split(",")):
        model = build(replace(config.model, steps=levels), shape, bits)
        walk, hand = medians([lambda: step_by_walk(model, x), lambda: step_by_hand(model, x)], args.rounds)  # noqa: B023
        print(f"{levels or 'time':>8} {walk:>8.3f} s {hand:>8.3f} s {walk / hand:>6.3f}")
    n, steps, model = args.batch, args.samples, build(config.model, shape, bits).eval()
    walk, hand = medians(
        [lambda: sampling_by_walk(model, n, steps), lambda: sampling_by_hand(model, n, steps)], args.rounds
    )
    print(f"{'sampling':>8} {walk:>8.3f} s {hand:>8.3f} s {walk / hand:>6.3f}")


if __name__ == "__main__":
    main()
