"""The coder path of this package beside that of the published Bit-Swap code, on the same processor and symbols.

    python benchmarks/bitswap_peer.py [--levels 8] [--official FOLDER]

Per image of 32 x 32 x 3 and a chain of `levels` latents of 8 x 16 x 16 (the published CIFAR-10 models): every latent is
popped by its q and pushed by its p, over 1,024 bins, and the data are pushed, of 256 levels.  What is timed is all
between the parameters of the distributions and the bits: bins, cumulative functions, tables, entropy coder.  Networks
are left out: they are the same on both sides, but that the published code runs them one image at a time.

Theirs is one image at a time, a table of every bin of every symbol in double precision, integers of any size in a list,
and a loop over symbols in Python (Kingma, Abbeel and Ho 2019, arXiv 1905.06845; github.com/fhkingma/bitswap).  Without
--official, `Plain` does the same steps in our own words; with it the class ANS of FOLDER/cifar_compress.py is timed,
which is read from there and not part of this package (git clone https://github.com/fhkingma/bitswap FOLDER).
"""

from __future__ import annotations

import argparse
import ast
import cProfile
import pstats
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hvae.coding.entropy.bins import Grid
from hvae.coding.entropy.numerics import noise
from hvae.coding.entropy.registry import data, latent
from hvae.coding.entropy.stack import Stack
from hvae.distributions import DiscretizedLogistic, Normal

LATENT, DATA = 8 * 16 * 16, 3 * 32 * 32
BITS, PRECISION, WORD = 10, 31, 32
ROWS = 16


class Plain:
    """A stack coder as one writes it down: a number of up to 64 bits on a list of words, one symbol after the other."""

    def __init__(self, masses: Tensor, *, bits: int, quantbits: int) -> None:
        counts = (masses * ((1 << bits) - (1 << quantbits))).long() + 1  # (N, K)
        counts[torch.arange(len(counts)), counts.argmax(1)] += (1 << bits) - counts.sum(1)
        self.counts, self.bits = counts.numpy(), bits
        self.below = np.concatenate([np.zeros((len(counts), 1), np.int64), self.counts.cumsum(1)], 1)

    def encode(self, state: list[int], symbols: Tensor) -> list[int]:
        for i, symbol in enumerate(symbols.tolist()):
            count = int(self.counts[i, symbol])
            if state[-1] >= count << (2 * WORD - self.bits):
                head = state.pop()
                state += [head & ((1 << WORD) - 1), head >> WORD]
            whole, part = divmod(state[-1], count)
            state[-1] = (whole << self.bits) + part + int(self.below[i, symbol])
        return state

    def decode(self, state: list[int]) -> tuple[list[int], Tensor]:
        symbols = np.zeros(len(self.counts), dtype=np.int64)
        for i in reversed(range(len(symbols))):
            low = state[-1] & ((1 << self.bits) - 1)
            symbol = int(np.searchsorted(self.below[i, 1:], low, side="right"))
            symbols[i] = symbol
            state[-1] = int(self.counts[i, symbol]) * (state[-1] >> self.bits) + low - int(self.below[i, symbol])
            if state[-1] < 1 << WORD:
                head = state.pop()
                state[-1] |= head << WORD
        return state, torch.from_numpy(symbols)


def official(folder: Path) -> Any:
    """The class ANS of the published code, without what else its file imports."""
    tree = ast.parse((folder / "cifar_compress.py").read_text())
    tree.body = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "ANS"]
    names: dict[str, Any] = {"np": np, "torch": torch}
    exec(compile(tree, "cifar_compress.py", "exec"), names)
    return names["ANS"]


def masses(edges: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """The mass of a logistic in each bin, (N, K), from inner edges (K - 1,)."""
    inner = torch.sigmoid((edges - loc[:, None]) / scale[:, None])
    return torch.diff(torch.nn.functional.pad(torch.nn.functional.pad(inner, (1, 0)), (0, 1), value=1.0), dim=1)


def parameters(count: int, seed: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    loc, scale = (torch.randn(2, count, generator=rng, dtype=torch.float64)).unbind(0)
    return 0.5 * loc, (0.3 * scale - 1).exp()


def theirs(coder: Any, levels: int) -> float:
    """Seconds an image of the published steps."""
    inner, pixels = torch.linspace(-8, 8, (1 << BITS) - 1).double(), torch.linspace(-1, 1, 257)[1:-1].double()
    state = [int(word) for word in noise(100_000)]
    state[-1] <<= WORD
    q, p, x = parameters(LATENT, 0), parameters(LATENT, 1), parameters(DATA, 2)
    values = torch.randint(0, 256, (DATA,), generator=torch.Generator().manual_seed(3))
    started = time.process_time()
    for level in range(levels):
        state, symbols = coder(masses(inner, *q), bits=PRECISION, quantbits=BITS).decode(state)
        if level == 0:
            state = coder(masses(pixels, *x), bits=PRECISION, quantbits=8).encode(state, values)
        state = coder(masses(inner, *p), bits=PRECISION, quantbits=BITS).encode(state, symbols)
    return time.process_time() - started


def ours(levels: int) -> tuple[float, float]:
    """Seconds an image, and the share of the entropy coder in them."""
    bins = Grid(-8.0, 2.0**-6, BITS).bins()
    stack = Stack.start(noise(1 << 21))
    q, p, x = (parameters(ROWS * n, seed) for n, seed in ((LATENT, 0), (LATENT, 1), (DATA, 2)))
    values = np.random.default_rng(3).integers(0, 256, ROWS * DATA)
    pixels = DiscretizedLogistic(x[0][None], x[1].log()[None], levels=256)

    def one() -> None:
        for level in range(levels):
            symbols = latent(Normal(*q), bins).pop(stack)
            if level == 0:
                data(pixels).push(stack, values)
            latent(Normal(*p), bins).push(stack, symbols)

    one()  # tables of the curves are made once a process
    seconds = timed(one) / ROWS
    work = cProfile.Profile(time.process_time)
    work.runcall(one)
    entries = pstats.Stats(work).stats.items()  # type: ignore[attr-defined]
    inside = sum(own for (_, _, name), (_, _, own, _, _) in entries if "AnsCoder" in name)
    return seconds, inside / sum(own for _, (_, _, own, _, _) in entries)


def timed(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--levels", type=int, default=8)
    words.add_argument("--official", type=Path, metavar="FOLDER")
    args = words.parse_args()
    torch.set_num_threads(1)
    seconds, share = ours(args.levels)
    peers: dict[str, Any] = {"the published steps, in our words": Plain}
    if args.official:
        peers[f"the published class, {args.official}"] = official(args.official)
    print(f"{args.levels} latents of {LATENT}, data of {DATA}; processor seconds an image, networks left out")
    print(f"hvae: {seconds:.4f} s, of which the entropy coder {100 * share:.1f} %")
    for name, coder in peers.items():
        spent = min(theirs(coder, args.levels) for _ in range(2))
        print(f"{name}: {spent:.3f} s, {spent / seconds:.1f} times as long")


if __name__ == "__main__":
    main()
