"""Ways to convolve in double precision, as the codec does: the library's beside products of one's own.

    python benchmarks/double_convolutions.py [--rounds 21] [--batch 16]

`gathered`: patches as one matrix, one product by numpy's library.  `products`: six products that do the work of
twelve (Winograd's F(4, 3) along one side, Lavin and Gray 2016, arXiv 1509.09308, sec. 4), by torch and by numpy; the
products alone are timed too, since that is what is left where all else is free.  The shapes are those of
`mnist-static-ladder`.  Processor time of one thread, the ways in turns, medians; the largest difference is printed.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is loaded

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hvae import heap

SHAPES = ((32, 14, 32), (64, 14, 32), (32, 7, 32), (32, 28, 32))
"""Channels in, side of the map, channels out."""
KERNEL = torch.tensor(
    [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], dtype=torch.double
).div(24)
"""What three weights are to the six products."""
Product = Callable[[Tensor, Tensor], Tensor]


def by_numpy(a: Tensor, b: Tensor) -> Tensor:
    return torch.from_numpy(np.matmul(a.numpy(), b.numpy()))


def gathered(x: Tensor, weight: Tensor) -> Tensor:
    """All patches of a map as the columns of one matrix."""
    n, channels, side, _ = x.shape
    padded = F.pad(x, (1, 1, 1, 1)).transpose(0, 1)
    windows = [padded[:, :, i : i + side, j : j + side] for i in range(3) for j in range(3)]
    rows = by_numpy(weight.permute(0, 2, 3, 1).reshape(len(weight), -1), torch.stack(windows).reshape(9 * channels, -1))
    return rows.view(-1, n, side, side).transpose(0, 1).contiguous()


def turned(weight: Tensor) -> Tensor:
    return torch.einsum("ik,ockl->iolc", KERNEL, weight).reshape(6, len(weight), -1).contiguous()


def spread(x: Tensor) -> Tensor:
    """What six rows of a map are to the products, (6, 3 C, B rows/4 side)."""
    n, channels, side, _ = x.shape
    tiles = -(-side // 4)
    padded = F.pad(x, (1, 1, 1, 4 * tiles + 1 - side)).transpose(0, 1)
    d = [padded[:, :, i : i + 4 * tiles - 3 : 4] for i in range(6)]
    even, odd, four, two = d[4] - 4 * d[2], d[3] - 4 * d[1], d[4] - d[2], 2 * (d[3] - d[1])
    ends = [torch.add(torch.add(d[i + 4], d[i], alpha=4), d[i + 2], alpha=-5) for i in range(2)]
    parts = (ends[0], even + odd, even - odd, four + two, four - two, ends[1])
    out = x.new_empty(6, 3, channels, n, tiles, side)
    for i, part in enumerate(parts):
        for k in range(3):
            out[i, k] = part[..., k : k + side]
    return out.view(6, 3 * channels, -1)


def collected(products: Tensor, like: Tensor) -> Tensor:
    """The rows of the answer from the six products."""
    n, _, side, _ = like.shape
    tiles, channels = -(-side // 4), products.shape[1]
    m = products.view(6, channels, n, tiles, side)
    a, b, c, d = m[1] + m[2], m[1] - m[2], m[3] + m[4], m[3] - m[4]
    y = like.new_empty(n, channels, tiles, 4, side)
    rows = (m[0] + a + c, torch.add(b, d, alpha=2), torch.add(a, c, alpha=4), torch.add(b, d, alpha=8) + m[5])
    for k, row in enumerate(rows):
        y[:, :, :, k] = row.transpose(0, 1)
    return y.view(n, channels, 4 * tiles, side)[:, :, :side]


def ways(x: Tensor, weight: Tensor) -> dict[str, Callable[[], Tensor]]:
    u, v = turned(weight), spread(x)
    return {
        "library": lambda: F.conv2d(x, weight, padding=1),
        "gathered": lambda: gathered(x, weight),
        "products, torch": lambda: collected(torch.bmm(u, spread(x)), x),
        "products, numpy": lambda: collected(by_numpy(u, spread(x)), x),
        "torch's alone": lambda: torch.bmm(u, v),
        "numpy's alone": lambda: by_numpy(u, v),
    }


def compare(shape: tuple[int, int, int], batch: int, rounds: int) -> None:
    channels, side, out = shape
    x = torch.randn(batch, channels, side, side, dtype=torch.double)
    works = ways(x, torch.randn(out, channels, 3, 3, dtype=torch.double))
    exact = works["library"]()
    far = max(float((work() - exact).abs().max()) for name, work in works.items() if "alone" not in name)
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.process_time()
            work()
            times[name].append(time.process_time() - start)
    first = median(times["library"])
    print(f"{channels} channels of {side} x {side} to {out}, largest difference {far:.1e}")
    for name, spent in times.items():
        print(f"  {name:16s} {1e3 * median(spent):7.2f} ms   {first / median(spent):.2f} times as fast")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    heap.keep()
    with torch.inference_mode():
        for shape in SHAPES:
            compare(shape, args.batch, args.rounds)


if __name__ == "__main__":
    main()
