"""Why is the top the first to collapse?  What reaches the posterior of each level from the data and from the rates.

    python examples/gradient_paths.py RUN... [--root FOLDER] [--data 256] [--draws 8]
    python examples/gradient_paths.py PRESET... --root FOLDER     (untrained: the first step)

Root mean squares over data and dimensions of two gradients by the location of q of each level, in units of its scale:
of log p(x | z), which asks for information, and of the sum of all rates, which asks for none; means over draws first,
so that the noise of one draw does not pass for a signal.  0: no path leads there.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

import hvae
from hvae.data import Data, load
from hvae.datum import Datum
from hvae.distributions import LocationScale
from hvae.walk import Model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders, or names of presets, whose models are then untrained")
    parser.add_argument("--root", default="", help="folder in which known data sets are looked for")
    parser.add_argument("--data", type=int, default=256, help="test data (default: 256)")
    parser.add_argument("--draws", type=int, default=8, help="draws a datum (default: 8)")
    args = parser.parse_args()
    print(f"{'model':28} {'level':6} {'from the data':>14} {'from the rates':>14}")
    for name in args.runs:
        model, data = subject(name, args.root)
        for level, (own, charged) in signals(model, data.test.batch(range(args.data)), args.draws).items():
            print(f"{Path(name).name:28} {level:6} {own:14.5f} {charged:14.5f}", flush=True)


def subject(name: str, root: str) -> tuple[Model, Data]:
    """The model of a run, or an untrained one of a preset, and its data."""
    if Path(name).exists():
        run = hvae.load(name)
        return run.model.eval(), load(replace(run.config.data, root=root))
    config = hvae.preset(name, {"data.root": root})
    data = load(config.data)
    torch.manual_seed(0)
    model = hvae.build(config.model, shape=data.shape, bits=data.bits)
    model.prepare(data.train.batch(range(256)))
    return model.eval(), data


def signals(model: Model, datum: Datum, draws: int) -> dict[str, tuple[float, float]]:
    """By level: the two root mean squares."""
    torch.manual_seed(0)
    several = [gradients(model, datum) for _ in range(draws)]
    return {
        level: (rms([one[level][0] for one in several]), rms([one[level][1] for one in several]))
        for level in several[0]
    }


def rms(several: list[Tensor]) -> float:
    """The root mean square of a mean over draws."""
    return float(torch.stack(several).mean(0).square().mean().sqrt())


def gradients(model: Model, datum: Datum) -> dict[str, tuple[Tensor, Tensor]]:
    """Of one draw, by level: the gradients of log p(x | z) and of all rates by the location of q, times its scale."""
    trace = model(datum)
    levels = {record.name: record.q for record in trace.latents if isinstance(record.q, LocationScale)}
    locations = [q.loc for q in levels.values()]
    rates = torch.stack(list(trace.rates().values())).sum()
    both = [
        torch.autograd.grad(nats, locations, allow_unused=True, retain_graph=True, materialize_grads=True)
        for nats in (trace.log_likelihood().sum(), rates)
    ]
    scaled = [[g * q.scale.detach() for g, q in zip(side, levels.values(), strict=True)] for side in both]
    return dict(zip(levels, zip(*scaled, strict=True), strict=True))


if __name__ == "__main__":
    main()
