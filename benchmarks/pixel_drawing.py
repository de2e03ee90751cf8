"""Drawing from causal networks with cached activations, over a pass of the whole image for each pixel.

    python benchmarks/pixel_drawing.py [--size 28] [--rows 64] [--rounds 1]

A pass for each pixel is timed as one pass times the pixels, since every pass costs the same.  What the cached draw has
computed is compared with one pass over what it drew first.  Medians of CPU time, which another program on the machine
changes little; 50 times as fast is the aim for images, and twice the side should cost four times as much.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from hvae.nn.pixelcnn import GatedPixelCNN, Place
from hvae.nn.pixelcnnpp import PixelCNNpp

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "gated PixelCNN, 8 pixels seen": lambda: GatedPixelCNN(1, 1, width=32, layers=5),
    "PixelCNN++, 3 scales of 2 blocks": lambda: PixelCNNpp(1, 1, width=32, blocks=2),
}


def seconds(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def on(raw: Tensor) -> Tensor:
    return torch.bernoulli(raw.sigmoid())


def on_at(raw: Tensor, at: Place) -> Tensor:
    return on(raw)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("size", 28), ("rows", 64), ("rounds", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    blank, small = (torch.zeros(args.rows, 1, side, side) for side in (args.size, args.size // 2))
    print(f"{args.rows} images of {args.size} x {args.size}, CPU seconds")
    for name, make in NETWORKS.items():
        network = make()
        check(network, blank)
        again = seconds(partial(network, on(blank)), args.rounds) * args.size**2
        cached, less = (seconds(partial(network.draw, x, on_at), args.rounds) for x in (blank, small))  # type: ignore[arg-type]
        print(f"{name}: {cached:.2f} cached, {again:.1f} by whole passes, {again / cached:.0f} times as fast; ", end="")
        print(f"twice the side costs {cached / less:.1f} times as much", flush=True)


def check(network: nn.Module, blank: Tensor) -> None:
    """The parameters by which the last pixel of each image is drawn are those of one pass."""
    inputs: list[Tensor] = []

    def choose(raw: Tensor, at: Place) -> Tensor:
        inputs.append(raw)
        return on(raw)

    x = network.draw(blank, choose)  # type: ignore[operator]
    torch.testing.assert_close(inputs[-1], network(x)[:, :, -1:, -1:], atol=1e-4, rtol=1e-3)


if __name__ == "__main__":
    main()
