"""What the parts of NVAE's step take, each beside the way that it replaced, at the sizes of `nvae-cifar10`.

    python benchmarks/nvae_parts.py [--threads 1] [--rounds 9]

`singular vectors`: four rounds for 121 kernels of 256 x 2304, one by one and all in one product.  `given length`:
121 such kernels of given lengths and their gradients, and the same formula by autograd.  `batch norm`: forward in
training of 60 pairs of maps, 1,536 channels of 16 x 16, and the library's.  `Adamax`: a step of the model's 2,566
tensors, one after the other, and by `foreach`.  The two ways take turns; medians by the clock, in milliseconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from statistics import median

import torch
from torch import Tensor, nn
from torch.optim import Adamax

from hvae import heap
from hvae.config.nvae import CIFAR10
from hvae.nn.batchnorm import BatchNorm
from hvae.nn.lengths import EPSILON, lengthened
from hvae.nn.spectral import ITERATIONS, singular_vectors
from hvae.zoo.nvae import build

KERNELS, ROWS, COLUMNS = 121, 256, 2304
Way = Callable[[], object]


def vectors() -> tuple[Way, Way]:
    matrices, u = [torch.randn(1, ROWS, COLUMNS) for _ in range(KERNELS)], torch.randn(KERNELS, ROWS)
    one = torch.ones(1, ROWS)
    apart = lambda: [singular_vectors(m, one, u[i : i + 1], ITERATIONS) for i, m in enumerate(matrices)]  # noqa: E731
    return apart, lambda: singular_vectors(torch.cat(matrices), torch.ones_like(u), u, ITERATIONS)


def lengths() -> tuple[Way, Way]:
    kernels = [torch.randn(ROWS, ROWS, 3, 3, requires_grad=True) for _ in range(KERNELS)]
    logs = [torch.randn(ROWS, 1, 1, 1, requires_grad=True) for _ in range(KERNELS)]
    slopes = torch.randn(ROWS, ROWS, 3, 3)

    def formula(v: Tensor, log_length: Tensor) -> Tensor:
        return v * (log_length.exp() / (torch.linalg.vector_norm(v, dim=(1, 2, 3), keepdim=True) + EPSILON))

    def all_of(way: Callable[[Tensor, Tensor], Tensor]) -> Way:
        return lambda: [torch.autograd.grad(way(v, g), (v, g), slopes) for v, g in zip(kernels, logs, strict=True)]

    return all_of(lengthened), all_of(formula)


def norms() -> tuple[Way, Way]:
    maps = [torch.randn(2, 1536, 16, 16) for _ in range(60)]
    ours, library = BatchNorm(1536, momentum=0.05), nn.BatchNorm2d(1536, momentum=0.05)
    return (lambda: [ours(x) for x in maps]), (lambda: [library(x) for x in maps])


def steps() -> tuple[Way, Way]:
    weights = list(build(CIFAR10, (3, 32, 32), 8).parameters())
    for weight in weights:
        weight.grad = torch.randn_like(weight)
    return Adamax(weights, foreach=False).step, Adamax(weights, foreach=True).step


PARTS = {"singular vectors": vectors, "given length": lengths, "batch norm": norms, "Adamax": steps}


def clock(way: Way) -> float:
    start = time.perf_counter()
    way()
    return 1e3 * (time.perf_counter() - start)


def compared(rounds: int) -> Iterator[str]:
    for name, pair in PARTS.items():
        ways = pair()
        [way() for way in ways]
        times = [[clock(way) for way in ways] for _ in range(rounds)]
        ours, other = (median(column) for column in zip(*times, strict=True))
        yield f"{name:18}{ours:10.1f} ms, before {other:8.1f} ms, {other / ours:.2f} times as fast"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    heap.keep()
    torch.set_num_threads(args.threads)
    for line in compared(args.rounds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
