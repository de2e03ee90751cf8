"""VDVAE: seconds of a training step, an evaluation and a batch of samples, and peak memory, beside the published code.

    python benchmarks/vdvae_step.py [--official FOLDER] [--size cifar10] [--batch 4] [--rounds 7]
        [--only evaluate sample] [--bf16] [--recompute]

FOLDER is a clone of github.com/openai/vdvae.  Of it the model and its formulas are imported, which need only PyTorch;
its training step is repeated with PyTorch's AdamW for apex's and without MPI.  Both sides have the same weights, and
their losses without noise are checked to be equal first.  Rounds alternate; ratios of medians above 1 mean that ours is
faster.  Each side has a process and the heap of its users (`turns.py`).  Memory is the peak of two steps, above what
the process held before.

`--bf16` and `--recompute` change our side only: the published code knows neither.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from turns import Side, memory, serve, taken, timed

from hvae import heap
from hvae.checkpoints.vdvae import convert
from hvae.config.presets.vdvae import vdvae_cifar10_small
from hvae.config.train import TrainConfig
from hvae.config.vdvae import PUBLISHED, VDVAEConfig
from hvae.draw import mode, prior
from hvae.objectives import ELBO
from hvae.training.average import Average
from hvae.training.loss import Batch, LossStep
from hvae.training.memory import MemoryMeter
from hvae.training.norms import shorten
from hvae.training.optimisers import optimiser
from hvae.walk import run
from hvae.zoo import build

TINY = VDVAEConfig(encoder="32x1,32d2,16x1,16d4,4x1", decoder="4x1,16m4,32m16,32x1", width=32)
SIZES = {"tiny": TINY, "small": vdvae_cifar10_small().model, **PUBLISHED}
CLIP, EMA = 200.0, 0.999
KINDS = ("step", "evaluate", "sample")


class Ours:
    def __init__(self, config: VDVAEConfig, u8: Tensor, bf16: bool) -> None:
        side, self.bf16, self.device = config.resolutions[0], bf16, u8.device
        self.x = u8.permute(0, 3, 1, 2).contiguous().float() / 255
        dims = self.x[0].numel()
        self.train = TrainConfig(
            lr=2e-4, betas=(0.9, 0.9), weight_decay=0.01, eps=1e-8 * dims, clip=CLIP * dims, ema=EMA
        )
        torch.manual_seed(0)
        self.model = build(config, (3, side, side)).to(self.device)
        self.dims = dims
        self.ready()

    def ready(self) -> None:
        self.objective = LossStep(self.model, ELBO())
        self.weights = [p for p in self.model.parameters() if p.requires_grad]
        self.optimiser, self.average = optimiser(self.train, self.model.parameters()), Average(self.model, EMA)

    def cast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def loss(self) -> float:
        with torch.no_grad():
            return -run(self.model, mode, self.model.evidence(self.x)).elbo().mean().item() / self.dims

    def step(self) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        with self.cast():
            total, _ = self.objective(Batch(self.x), 0)
        total.backward()
        self.clip()
        self.optimiser.step()
        self.average.update()

    def clip(self) -> None:
        """As `hvae.training.learner` does."""
        gradients = [p.grad for p in self.weights if p.grad is not None]
        shorten(gradients, nn.utils.get_total_norm(gradients).item(), self.train.clip)

    @torch.no_grad()
    def evaluate(self) -> None:
        with self.cast():
            self.average.model(self.x).elbo().mean().item()

    @torch.no_grad()
    def sample(self) -> None:
        with self.cast():
            run(self.average.model, prior(), n=len(self.x))


class Official:
    def __init__(self, folder: Path, config: VDVAEConfig, u8: Tensor) -> None:
        sys.path.insert(0, str(folder))
        import hps  # type: ignore[import-not-found]
        import vae  # type: ignore[import-not-found]

        settings, parser = hps.Hyperparams(), hps.add_vae_arguments(argparse.ArgumentParser())
        hps.parse_args_and_update_hparams(settings, parser, s=["--hps", "cifar10"])
        settings.update(enc_blocks=config.encoder, dec_blocks=config.decoder, width=config.width, zdim=config.latent)
        settings.update(custom_width_str=config.custom_widths, num_mixtures=config.mixtures)
        settings.update(image_size=config.resolutions[0], image_channels=3, no_bias_above=config.no_bias_above)
        self.code, self.model = vae, vae.VAE(settings).to(u8.device)
        self.ema = deepcopy(self.model).requires_grad_(False)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=2e-4, weight_decay=0.01, betas=(0.9, 0.9))
        self.x, self.target = (u8.float() + config.shift) * config.scale, u8.float() / 127.5 - 1

    def loss(self) -> float:
        original, self.code.draw_gaussian_diag_samples = self.code.draw_gaussian_diag_samples, lambda mean, _: mean
        with torch.no_grad():
            loss: float = self.model.forward(self.x, self.target)["elbo"].item()
        self.code.draw_gaussian_diag_samples = original
        return loss

    def step(self) -> None:
        self.model.zero_grad()
        self.model.forward(self.x, self.target)["elbo"].backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimiser.step()
        for new, average in zip(self.model.parameters(), self.ema.parameters(), strict=True):
            average.data.mul_(EMA)
            average.data.add_(new.data * (1 - EMA))

    @torch.no_grad()
    def evaluate(self) -> None:
        self.ema.forward(self.x, self.target)["elbo"].item()

    @torch.no_grad()
    def sample(self) -> None:
        self.ema.forward_uncond_samples(len(self.x), t=1.0)


def sides(args: argparse.Namespace) -> dict[str, Ours | Official]:
    torch.manual_seed(0)
    config = replace(SIZES[args.size], checkpoint=args.recompute, likelihood="dmol")
    side = config.resolutions[0]
    u8 = torch.randint(0, 256, (args.batch, side, side, 3)).to(args.device)
    names = args.side or ("both" if args.official else "ours")
    workers: dict[str, Ours | Official] = {}
    if names != "official":
        workers["ours"] = Ours(config, u8, args.bf16)
    if names != "ours":
        workers["official"] = Official(args.official, config, u8)
    if len(workers) == 2:
        _agree(workers["ours"], workers["official"], config)
    return workers


def _agree(ours: Any, official: Any, config: VDVAEConfig) -> None:
    """Gives ours the official weights and checks that the losses are one."""
    ours.model.load_state_dict(convert(official.model.state_dict(), config))
    ours.ready()
    a, b = ours.loss(), official.loss()
    assert abs(a - b) < 1e-4 * abs(b), f"different losses: {a} and {b} nats a dimension"
    print(f"loss without noise: {a:.6f} and {b:.6f} nats a dimension")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--official", type=Path, help="a clone of openai/vdvae")
    parser.add_argument("--size", default="cifar10", choices=SIZES)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--recompute", action="store_true")
    parser.add_argument("--side", choices=("ours", "official"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    args = parsed()
    torch.set_num_threads(args.threads)
    if args.side:
        return answer(args)
    names = list(sides(args))  # which checks that they agree
    running = {name: Side(name) for name in names}
    times = taken(running, dict.fromkeys(args.only, args.rounds))
    for side in running.values():
        side.stop()
    print(f"{args.size}, batch {args.batch}, {args.threads} threads, {args.device}, medians of {args.rounds}")
    for kind in args.only:
        report(kind, {name: statistics.median(times[kind, name]) for name in names}, "s")
    if "step" in args.only:
        report("memory of a step", {name: memory(name) / 1e9 for name in names}, "GB")


def answer(args: argparse.Namespace) -> None:
    """One side, in its own process."""
    if args.side == "ours":
        heap.keep()
    meter = MemoryMeter(args.device)
    side = sides(args)[args.side]
    serve({**{kind: timed(getattr(side, kind), args.device) for kind in KINDS}, "peak": meter.peak})


def report(kind: str, numbers: dict[str, float], unit: str) -> None:
    """One line: ours, and where there is another side, it and the ratio."""
    line = f"{kind:17s} ours {numbers['ours']:8.3f} {unit}"
    if "official" in numbers:
        line += f"   official {numbers['official']:8.3f} {unit}   ratio {numbers['official'] / numbers['ours']:.2f}"
    print(line)


if __name__ == "__main__":
    main()
