"""VQ-VAE-2: processor time of a training step beside rosinality/vq-vae-2-pytorch, at the sizes of its code.

    python benchmarks/vq_step.py --official FOLDER [--size 64] [--batch 8] [--rounds 9]

FOLDER is a clone of that repository, of which the model alone is imported.  Both sides have the same weights and
losses: the gradients of one step are checked to be equal first.  A step is forward, backward, Adam, and the running
means of the codes, by each side's own code and at 512 codes of 64 numbers.  Rounds alternate; the ratio of medians,
ours over theirs, is at most 1.05 by design.  Each side has a process and the heap of its users (`turns.py`).  Processor
time is what one thread used, whatever else the machine did.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from turns import Side, serve, taken

from hvae import heap
from hvae.config.vqvae import VQVAE2Config
from hvae.objectives import ELBO
from hvae.training.loss import Batch, LossStep
from hvae.zoo import build

RATE = 3e-4
PARTS = {
    "bottom_up.blocks.z1.2": "enc_b.blocks",
    "bottom_up.blocks.z2": "enc_t.blocks",
    "levels.z2.read.network.0": "quantize_conv_t",
    "levels.z1.read.above": "dec_t.blocks",
    "levels.z1.read.network.0": "quantize_conv_b",
    "levels.z1.absorb.enlarge.0": "upsample_t",
    "leave.0": "dec.blocks",
}
"""What the published code calls the parts of ours."""


class Ours:
    """The sizes of the published code; sigma such that -log p(x | z) is the mean square times the values of a datum."""

    def __init__(self, x: Tensor, codebook: str) -> None:
        self.x = x
        config = VQVAE2Config(codebook=codebook, sigma=math.sqrt(1 / 8))  # type: ignore[arg-type]
        self.model = build(config, tuple(x.shape[1:]))
        self.objective = LossStep(self.model, ELBO())
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=RATE)

    def backward(self) -> None:
        self.optimiser.zero_grad()
        total, _ = self.objective(Batch((self.x + 1) / 2), 0)
        total.backward()

    def step(self) -> None:
        self.model.before_step()
        self.backward()
        self.optimiser.step()
        self.model.after_step()


class Official:
    def __init__(self, folder: Path, x: Tensor) -> None:
        sys.path.insert(0, str(folder))
        import vqvae  # type: ignore[import-not-found]

        self.x, self.model = x, vqvae.VQVAE()
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=RATE)

    def backward(self) -> None:
        self.model.zero_grad()
        out, latent = self.model(self.x)
        (nn.functional.mse_loss(out, self.x) + 0.25 * latent.mean()).backward()

    def step(self) -> None:
        self.backward()
        self.optimiser.step()


def theirs(name: str) -> str:
    part = next(part for part in PARTS if name.startswith(f"{part}."))
    rest = name.removeprefix(part).replace(".first.", ".conv.1.").replace(".last.", ".conv.3.")
    return PARTS[part] + rest


def agree(ours: Ours, official: Official) -> float:
    """The largest difference of gradients, in standard deviations of each tensor's, from the same weights and codes."""
    own, other = dict(ours.model.named_parameters()), dict(official.model.named_parameters())
    with torch.no_grad():
        for name, weight in own.items():
            weight.copy_(other[theirs(name)])
        for level, book in (("z2", official.model.quantize_t), ("z1", official.model.quantize_b)):
            ours.model.levels[level].book.codes.copy_(book.embed.t())
    ours.backward()
    official.backward()
    values = ours.x[0].numel()
    gaps = []
    for name, weight in own.items():
        a, b = weight.grad, other[theirs(name)].grad
        assert a is not None and b is not None
        gaps.append(float((a / values - b).abs().max() / b.std().clamp(min=1e-12)))
    return max(gaps)


def used(work: Callable[[], object]) -> Callable[[], float]:
    """The work, as the seconds of processor time that it takes."""

    def seconds() -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--official", type=Path, required=True, help="a clone of rosinality/vq-vae-2-pytorch")
    parser.add_argument("--size", type=int, default=64, help="pixels a side (default: 64)")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--side", choices=("averages", "released", "official"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.rand(args.batch, 3, args.size, args.size) * 2 - 1
    if args.side:
        return answer(args, x)
    gap = agree(Ours(x, "released"), Official(args.official, x))
    assert gap < 1e-2, f"the gradients differ by {gap:.2g} of their deviation"
    running = {name: Side(name) for name in ("averages", "released", "official")}
    times = taken(running, {"step": args.rounds})
    for side in running.values():
        side.stop()
    medians = {name: statistics.median(times["step", name]) for name in running}
    print(f"VQ-VAE-2, batch {args.batch} of 3x{args.size}x{args.size}, one thread, medians of {args.rounds} rounds")
    for name, seconds in medians.items():
        print(f"{name:10s} {seconds:7.3f} s of processor time a step   ratio {seconds / medians['official']:.2f}")


def answer(args: argparse.Namespace, x: Tensor) -> None:
    """One side, in its own process."""
    if args.side == "official":
        return serve({"step": used(Official(args.official, x).step)})
    heap.keep()
    serve({"step": used(Ours(x, args.side).step)})


if __name__ == "__main__":
    main()
