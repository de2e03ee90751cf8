"""What a training step, an evaluation and sampling of NVAE take, beside the released code if its folder is given.

    python benchmarks/nvae_step.py [--size small|mnist|cifar10] [--batch 16] [--rounds 7] [--only evaluation sampling]
        [--recompute]
    git clone https://github.com/NVlabs/NVAE && python benchmarks/nvae_step.py --official NVAE

A step is the loss with balanced rates and regularisers, its gradient, and Adamax; an evaluation is the ELBO without
gradients; sampling is a batch of data from nothing.  Both sides hold the same weights and see the same data, rounds
alternate, each side has a process and the heap of its users (`turns.py`), and medians are printed; the two ELBOs are
compared first, on the noise of one seed.  Memory is the peak of two steps, above what the process held before.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from turns import Side, memory, serve, taken, timed

from hvae import heap
from hvae.checkpoints.nvae import convert, infer
from hvae.config import nvae
from hvae.config.nvae import NVAEConfig
from hvae.config.objective import ObjectiveConfig, WarmUpConfig
from hvae.config.presets import preset
from hvae.config.train import TrainConfig
from hvae.draw import mode, prior
from hvae.objectives import build as objective
from hvae.training.loss import Batch, LossStep
from hvae.training.memory import MemoryMeter
from hvae.training.optimisers import optimiser
from hvae.walk import run
from hvae.zoo.nvae import NVAE, build

SIZES = {"mnist": (nvae.MNIST, "mnist"), "cifar10": (nvae.CIFAR10, "cifar10")}
WARMUP = 100
KINDS = ("step", "evaluation", "sampling")


def size(name: str) -> tuple[NVAEConfig, str]:
    if name != "small":
        return SIZES[name]
    small = preset("nvae-cifar10-small").model
    assert isinstance(small, NVAEConfig)
    return small, "cifar10"


Task = Callable[[], Any]
Tasks = dict[str, Task]


def ours(model: NVAE, x: Tensor, autocast: Callable[[], Any]) -> Tasks:
    config = ObjectiveConfig(warmup=WarmUpConfig(length=WARMUP), balance=True)
    loss = LossStep(model, objective(config))
    steps = optimiser(TrainConfig(optimiser="adamax", lr=1e-3, eps=1e-3, weight_decay=3e-4), model.parameters())

    def step() -> None:
        model.train()
        with autocast():
            total, _ = loss(Batch(x), 1)
        total.backward()
        steps.step()
        steps.zero_grad()

    @torch.no_grad()
    def evaluate() -> Tensor:
        model.eval()
        with autocast():
            return model(x).elbo()

    @torch.no_grad()
    def sample() -> Tensor:
        model.eval()
        with autocast():
            return run(model, prior(), n=len(x))["x"].value

    return {"step": step, "evaluation": evaluate, "sampling": sample}


def theirs(modules: Any, model: Any, x: Tensor, autocast: Callable[[], Any]) -> Tasks:
    _, utils, adamax = modules
    steps = adamax.Adamax(model.parameters(), 1e-3, weight_decay=3e-4, eps=1e-3)
    alpha = utils.kl_balancer_coeff(model.num_latent_scales, model.groups_per_scale, "square")

    def bound(coefficient: float, balance: bool) -> Tensor:
        logits, _, _, rates, _ = model(x)
        nats = utils.reconstruction_loss(model.decoder_output(logits.float()), x, crop=model.crop_output)
        return nats + utils.kl_balancer(rates, coefficient, kl_balance=balance, alpha_i=alpha)[0]

    def step() -> None:
        model.train()
        steps.zero_grad()
        with autocast():
            total = bound(1 / WARMUP, True).mean()
            total = total + 0.01 * (model.spectral_norm_parallel() + model.batchnorm_loss())
        total.backward()
        steps.step()

    @torch.no_grad()
    def evaluate() -> Tensor:
        model.eval()
        with autocast():
            return -bound(1.0, False)

    @torch.no_grad()
    def sample() -> Tensor:
        model.eval()
        with autocast():
            return model.decoder_output(model.sample(len(x), 1.0).float()).sample()

    return {"step": step, "evaluation": evaluate, "sampling": sample}


def measured(names: Sequence[str], kinds: Sequence[str], rounds: int) -> None:
    running = {name: Side(name) for name in names}
    times = taken(running, dict.fromkeys(kinds, rounds))
    for side in running.values():
        side.stop()
    for kind in kinds:
        medians = {name: statistics.median(times[kind, name]) for name in names}
        text = ", ".join(f"{name} {median * 1e3:.0f} ms" for name, median in medians.items())
        ratio = f", {medians['official'] / medians['hvae']:.2f} times as fast" if "official" in medians else ""
        print(f"{kind}: {text}{ratio} (medians of {rounds})", flush=True)
    if "step" in kinds:
        peaks = {name: memory(name) / 1e9 for name in names}
        text = ", ".join(f"{name} {peak:.2f} GB" for name, peak in peaks.items())
        ratio = f", {peaks['official'] / peaks['hvae']:.2f} times as little" if "official" in peaks else ""
        print(f"memory of a step: {text}{ratio}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("small", *SIZES), default="small")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--precision", choices=("32", "bf16"), default="32")
    parser.add_argument("--recompute", action="store_true", help="ours computes activations again")
    parser.add_argument("--official", type=Path, help="a clone of NVlabs/NVAE")
    parser.add_argument("--side", choices=("hvae", "official"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not options.side:
        return measured(list(both(options)), options.only, options.rounds)
    if options.side == "hvae":
        heap.keep()
    meter = MemoryMeter(torch.device("cpu"))
    with redirect_stdout(sys.stderr):  # the released code prints
        tasks = both(options)[options.side]
    serve({**{kind: timed(task) for kind, task in tasks.items()}, "peak": meter.peak})


def both(options: argparse.Namespace) -> dict[str, Tasks]:
    """The tasks of our side and of the other where its folder is given, or of the asked side alone.

    Both together are held against each other first, on the same weights; a side by itself has only its own model.
    """
    torch.manual_seed(0)
    half = lambda: torch.autocast("cpu", torch.bfloat16)  # noqa: E731
    autocast = half if options.precision == "bf16" else nullcontext
    config, dataset = size(options.size)
    config = replace(config, checkpoint=options.recompute)
    channels, side, bits = (1, 28, 1) if dataset == "mnist" else (3, 32, 8)
    x = torch.randint(2**bits, (options.batch, channels, side, side)) / (2**bits - 1)
    data = torch.nn.functional.pad(x, (2, 2, 2, 2)) if dataset == "mnist" else x
    sides: dict[str, Tasks] = {}
    if options.side != "official":
        model = build(config, (channels, side, side), bits)
        sides["hvae"] = ours(model, x, autocast)
    if options.official and options.side != "hvae":
        import official_nvae

        modules = official_nvae.load(options.official)
        args = official_nvae.arguments(config, dataset, 8)
        other = official_nvae.build(modules, args)
        sides["official"] = theirs(modules, other, data, autocast)
    if len(sides) == 2:
        own, _, _ = infer(other.state_dict(), vars(args))
        model.load_state_dict(convert(other.state_dict(), replace(own, checkpoint=config.checkpoint)))
        check(model, other, x, data)
    return sides


@torch.no_grad()
def check(model: NVAE, other: Any, x: Tensor, data: Tensor) -> None:
    """Raises unless both sides find the same rates for the same latents (the middle of each posterior)."""
    from unittest.mock import patch

    with patch("distributions.sample_normal_jit", lambda mean, scale: (mean, torch.zeros_like(mean))):
        rates = torch.stack(other.eval()(data)[3]).sum(0)
    trace = model.eval()(x, mode)
    total = torch.stack(list(trace.rates().values())).sum(0)
    torch.testing.assert_close(total, rates, rtol=1e-4, atol=1e-3)


if __name__ == "__main__":
    main()
