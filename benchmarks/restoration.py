"""How probable hidden halves are by each way to restore, and what refinement costs in passes of the model.

    python benchmarks/restoration.py held-out RUN --data.root DATA      # log p(hidden given seen), the lower halves
    python benchmarks/restoration.py held-out RUN --partial TAUGHT --data.root DATA      # and by inference of a part
    python benchmarks/restoration.py cost                               # 64 pictures of 64 x 64, 50 steps

Everything is by one thread unless OMP_NUM_THREADS says otherwise, with seed 0.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import torch

import hvae
from hvae.cli.words import split_dotted
from hvae.config.model import LadderConfig
from hvae.restoration import Gibbs, Metropolis, Partial, Refine, Seen, Way, held_out
from hvae.study.images import without_chance
from hvae.study.latents import images
from hvae.walk import run, still

WAYS: dict[str, Way] = {
    "amortised": Refine(steps=0, settle=0),
    "refine, 50 steps": Refine(steps=50),
    "refine, 200 steps": Refine(steps=200),
    "gibbs, 20 sweeps": Gibbs(sweeps=20),
    "metropolis, 20 sweeps": Metropolis(sweeps=20),
}


def main() -> None:
    rest, dotted = split_dotted(sys.argv[1:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("held-out", "cost"))
    parser.add_argument("run", nargs="?")
    parser.add_argument("--partial", default="", help="a run of the same generation (objective.kind matching)")
    parser.add_argument("-n", type=int, default=50, help="test pictures, evenly over the split")
    parser.add_argument("--draws", type=int, default=32)
    args = parser.parse_args(rest)
    cost() if args.what == "cost" else compare(args.run, args.partial, args.n, args.draws, dotted)


def compare(folder: str, reader: str, n: int, draws: int, dotted: dict[str, str]) -> None:
    """A line a way: means over pictures in nats, as `HeldOut` names them, with the standard error of the first."""
    loaded = hvae.load(folder)
    inputs = images(loaded, "test", dotted, sys.maxsize, {}, "restore")
    x = without_chance(inputs.some(range(0, len(inputs.split), len(inputs.split) // n)[:n])).batch(range(n)).x
    mask = torch.ones_like(x, dtype=torch.bool)
    mask[:, :, x.shape[2] // 2 :] = False
    titles = f"{'values':>16} {'predicted':>9} {'weighted':>9} {'difference':>10} {'log p(seen)':>11}"
    print(f"{'way':24} {titles} {'passes':>7} {'seconds':>7}")
    tries = [(name, loaded.model, way) for name, way in WAYS.items()]
    if reader:
        model = hvae.load(reader).model
        tries += [("partial", model, Partial()), ("partial, then refine, 50", model, Refine(steps=50, settle=0))]
    whole: torch.Tensor | None = None
    for name, model, way in tries:
        start = time.process_time()
        score = held_out(model, x, mask, way, draws=draws)
        spent = time.process_time() - start
        # Of every way the same log p(whole): by inference that was trained on whole pictures.
        whole = score.difference + score.seen if whole is None else whole
        error = score.values.std() / n**0.5
        numbers = (
            f"{score.values.mean():8.2f} ± {error:5.2f} {score.predicted.mean():9.2f} {score.weighted.mean():9.2f}"
        )
        numbers += f" {(whole - score.seen).mean():10.2f} {score.seen.mean():11.2f}"
        print(f"{name:24} {numbers} {way.passes(draws):7} {spent:7.0f}", flush=True)


def cost() -> None:
    """Refinement and its draws, in units of one pass of the model: all its networks forward, once, for each picture."""
    torch.manual_seed(0)
    model = hvae.build(LadderConfig(groups=(0, 2, 2, 1), width=16, likelihood="dmol"), shape=(3, 64, 64), bits=8).eval()
    x = torch.randint(0, 256, (64, 3, 64, 64)).float() / 255
    mask = torch.rand_like(x[:, :1]).expand_as(x) < 0.5
    way = Refine(steps=50)

    def passed() -> None:
        with still(model, 0):
            run(model, hvae.posterior, model.evidence(x))

    def trained() -> None:
        model.zero_grad()
        (-run(model, hvae.posterior, model.evidence(x)).elbo().sum()).backward()

    def restored() -> None:
        with still(model, 0):
            list(way.walks(model, Seen(x, mask), {}, 8))

    forward, step = quickest(passed, 5), quickest(trained, 3)
    spent = quickest(restored, 1)
    print(f"a pass forward {forward:.2f} s, forward and backward {step:.2f} s; restoring {spent:.1f} s")
    print(f"that is {spent / forward:.1f} passes forward, {spent / step:.1f} passes forward and backward")


def quickest(work: Callable[[], None], times: int) -> float:
    """Seconds of processor time, the least of some repetitions."""
    spent = []
    for _ in range(times):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


if __name__ == "__main__":
    main()
