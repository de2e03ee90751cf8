"""Drawing from causal networks with cached activations, over a pass of the whole image for each pixel.

    python benchmarks/pixel_drawing.py [--size 28] [--rows 64] [--rounds 3]

A pass for each pixel is timed as one pass times the pixels, since every pass costs the same.  What the cached draw has
computed is compared with one pass over what it drew first.  Medians of CPU time, which another program on the machine
changes little; 50 times as fast is the aim for images, and twice the side should cost four times as much.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from hvae.nn.pixelcnn import GatedPixelCNN
from hvae.nn.pixelcnnpp import PixelCNNpp
from hvae.nn.pixelsnail import PixelSNAIL
from hvae.nn.transformer import CausalTransformer

CODES = 512
Draw = Callable[[Callable[[Tensor], Tensor]], Tensor]


def images(network: nn.Module, size: int, rows: int) -> tuple[Draw, Callable[[Tensor], Tensor]]:
    """Grey images by logits of one pixel, and one pass over such images."""
    blank = torch.zeros(rows, 1, size, size)
    return lambda choose: network.draw(blank, lambda raw: choose(raw)), network


def maps(network: nn.Module, rows: int) -> tuple[Draw, Callable[[Tensor], Tensor]]:
    """Maps of codes, and one pass over such maps."""
    return lambda choose: network.draw(rows, lambda raw: raw.argmax(1)), network


def subjects(size: int, rows: int) -> dict[str, tuple[Draw, Callable[[Tensor], Tensor]]]:
    places = (size, size)
    return {
        "gated PixelCNN, 8 pixels seen": images(GatedPixelCNN(1, 1, width=32, layers=5), size, rows),
        "PixelCNN++, 3 scales of 2": images(PixelCNNpp(1, 1, width=32, blocks=2), size, rows),
        "PixelSNAIL, 2 blocks, 512 codes": maps(
            PixelSNAIL(CODES, places, width=32, hidden=32, layers=2, heads=4), rows
        ),
        "Transformer, 4 layers, 512 codes": maps(CausalTransformer(CODES, places, width=128, layers=4, heads=4), rows),
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


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("size", 28), ("rows", 64), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    half = subjects(args.size // 2, args.rows)
    print(f"{args.rows} maps of {args.size} x {args.size}, CPU seconds")
    for name, (draw, one_pass) in subjects(args.size, args.rows).items():
        check(draw, one_pass)
        x = draw(on)
        again = seconds(lambda: one_pass(x), args.rounds) * args.size**2  # noqa: B023  # it is called before x changes
        cached, small = seconds(lambda: draw(on), args.rounds), seconds(lambda: half[name][0](on), args.rounds)  # noqa: B023
        print(f"{name}: {cached:.2f} cached, {again:.1f} by whole passes, {again / cached:.0f} times as fast; ", end="")
        print(f"twice the side costs {cached / small:.1f} times as much", flush=True)


def check(draw: Draw, one_pass: Callable[[Tensor], Tensor]) -> None:
    """The parameters by which the last place of each map is drawn are those of one pass."""
    seen: list[Tensor] = []

    def choose(raw: Tensor) -> Tensor:
        seen.append(raw)
        return on(raw)

    x = draw(choose)
    if seen:
        torch.testing.assert_close(seen[-1], one_pass(x)[:, :, -1:, -1:], atol=1e-4, rtol=1e-3)


if __name__ == "__main__":
    main()
