"""How h + m + k (W h), what `concat` does to a feature that its condition enters, is quickest: forward and backward.

    python benchmarks/joined_maps.py [--rounds 300]

Three such layers in a row on 32 x 32 x 7 x 7, channels last, one row in 32 without a condition (k = 0), one thread;
the ways alternate.  Milliseconds of processor time: the fastest tenth and the median of the rounds.  The first is what
the library does; `fused` has its gradient written by hand, with the three products that the arithmetic needs and as
few sums as there can be, and `shift`, h + m alone, is what `add` does.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

BATCH, CHANNELS, SIDE, LAYERS = 32, 32, 7, 3
Way = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(h (B, C, S, S), m (B, C), k (B,), W (C, C)) -> (B, C, S, S)."""


def product(h: Tensor, m: Tensor, k: Tensor, w: Tensor) -> Tensor:
    mixed = F.linear(h.movedim(1, -1), w).movedim(-1, 1)
    return torch.addcmul(h + m[:, :, None, None], k.view(-1, 1, 1, 1), mixed)


def folded(h: Tensor, m: Tensor, k: Tensor, w: Tensor) -> Tensor:
    """(1 + k W) h + m: one matrix a row."""
    rows = h.movedim(1, -1)
    whole = torch.eye(len(w)) + k.view(-1, 1, 1) * w.T
    return torch.baddbmm(m[:, None], rows.flatten(1, 2), whole).view(rows.shape).movedim(-1, 1)


def added(h: Tensor, m: Tensor, k: Tensor, w: Tensor) -> Tensor:
    """The sum within the product, of what is known alone."""
    base = (h + m[:, :, None, None]).movedim(1, -1)
    share = (h * k.view(-1, 1, 1, 1)).movedim(1, -1)
    return torch.addmm(base.reshape(-1, len(w)), share.reshape(-1, len(w)), w.T).view(base.shape).movedim(-1, 1)


def convolved(h: Tensor, m: Tensor, k: Tensor, w: Tensor) -> Tensor:
    return torch.addcmul(h + m[:, :, None, None], k.view(-1, 1, 1, 1), F.conv2d(h, w[:, :, None, None]))


class Fused(torch.autograd.Function):
    """The same with sums in place, and the gradient of both terms of h in one product."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, m: Tensor, k: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(h, k, w)
        return F.linear(h.movedim(1, -1), w).movedim(-1, 1).mul_(k).add_(h).add_(m)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, None, Tensor]:
        h, k, w = ctx.saved_tensors
        rows, share = (map_.movedim(1, -1).reshape(-1, len(w)) for map_ in (slope, slope * k))
        whole = torch.addmm(rows, share, w).view(h.movedim(1, -1).shape).movedim(-1, 1)
        return whole, slope.sum((2, 3), keepdim=True), None, share.T @ h.movedim(1, -1).reshape(-1, len(w))


def fused(h: Tensor, m: Tensor, k: Tensor, w: Tensor) -> Tensor:
    whole: Tensor = Fused.apply(h, m[:, :, None, None], k.view(-1, 1, 1, 1), w)
    return whole


def shift(h: Tensor, m: Tensor, k: Tensor, w: Tensor) -> Tensor:
    return h + m[:, :, None, None]


WAYS: dict[str, Way] = {
    "product": product,
    "folded": folded,
    "added": added,
    "convolved": convolved,
    "fused": fused,
    "shift": shift,
}


def timed(way: Way) -> Callable[[], float]:
    """All layers forward and backward; the milliseconds it took."""
    random = torch.Generator().manual_seed(0)
    first = torch.randn(BATCH, CHANNELS, SIDE, SIDE, generator=random).contiguous(memory_format=torch.channels_last)
    weights = [(0.1 * torch.randn(CHANNELS, CHANNELS, generator=random)).requires_grad_() for _ in range(LAYERS)]
    m, k = torch.randn(BATCH, CHANNELS, generator=random).requires_grad_(), torch.ones(BATCH)
    k[0] = 0.0

    def one() -> float:
        start, h = time.process_time(), first.detach().requires_grad_()
        for weight in weights:
            h = way(h, m, k, weight)
        h.backward(first)
        return 1e3 * (time.process_time() - start)

    return one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    ones = {name: timed(way) for name, way in WAYS.items()}
    times = [{name: one() for name, one in ones.items()} for _ in range(rounds + 20)][20:]
    for name in WAYS:
        quantiles = statistics.quantiles([row[name] for row in times], n=10)
        print(f"{name:<10} fastest tenth {quantiles[0]:.2f} ms, median {quantiles[4]:.2f} ms")


if __name__ == "__main__":
    main()
