"""Where do posteriors start?  Nats that the levels of an untrained model spend, by merge and seed.

    python examples/merges.py [--preset digits] [--root FOLDER] [--seeds 5]

A posterior that starts at its prior spends nothing: training then buys information where it pays.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

import hvae
from hvae.data import load
from hvae.datum import Datum

MERGES = ("residual", "concat", "precision", "linear")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="digits", help="a preset with model.posterior (default: digits)")
    parser.add_argument("--root", default="", help="folder in which known data sets are looked for")
    parser.add_argument("--seeds", type=int, default=5, help="initialisations of each merge (default: 5)")
    args = parser.parse_args()
    for merge in MERGES:
        config = hvae.preset(args.preset, {"data.root": args.root, "model.posterior": merge})
        data = load(config.data)
        datum = data.train.batch(range(256))
        spent = [rates(config, datum, data.bits, seed) for seed in range(args.seeds)]
        totals = [sum(map(float, one.values())) for one in spent]
        levels = " ".join(f"{name} {sum(float(one[name]) for one in spent) / len(spent):.3f}" for name in spent[0])
        print(f"{merge:10} {min(totals):8.2f} to {max(totals):8.2f} nats a datum; means: {levels}", flush=True)


def rates(config: hvae.RunConfig, datum: Datum, bits: int, seed: int) -> dict[str, Tensor]:
    """Mean nats of each level over the data, of one initialisation."""
    torch.manual_seed(seed)
    model = hvae.build(config.model, shape=datum.x.shape[1:], bits=bits)
    model.prepare(datum)
    return {name: nats.mean().detach() for name, nats in model.eval()(datum).rates().items()}


if __name__ == "__main__":
    main()
