"""Does the top level decide what a picture shows?  The coarse-to-fine experiment on a trained run.

    python examples/coarse_to_fine.py RUN --data mnist-dynamic [--root FOLDER] [--held 3] [--pictures 200]

A small classifier is trained on labelled pictures.  Test pictures are encoded; the top `--held` levels are kept and the
rest redrawn eight times (agreement: the largest share of one class among the eight), then the mirror: the top redrawn
and every lower level kept at its offset from its prior.  Chance is the agreement of groups broken up at random.
"""

from __future__ import annotations

import argparse
import json

import torch

import hvae
from hvae.config.data import DataConfig
from hvae.data import load
from hvae.explore import top_held, top_swapped
from hvae.metrics import coarse_to_fine, train_classifier


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run folder")
    parser.add_argument("--data", required=True, help="a labelled data set of the same shape and bit depth")
    parser.add_argument("--root", default="", help="folder in which known data sets are looked for")
    parser.add_argument("--held", type=int, default=1, help="how many top levels are held (default: 1)")
    parser.add_argument("--pictures", type=int, default=200, help="test pictures (default: 200)")
    parser.add_argument("--train", type=int, default=10_000, help="labelled pictures the classifier sees")
    args = parser.parse_args()
    model, data = hvae.load(args.run).model, load(DataConfig(name=args.data, root=args.root))
    some = torch.Generator().manual_seed(0)
    pick = torch.randperm(len(data.train), generator=some)[: args.train]
    indices = torch.randperm(len(data.test), generator=some)[: args.pictures]
    train, test = data.train.fixed(0), data.test
    everything = torch.arange(len(test))
    classify = train_classifier(train.pictures(pick), train.labels[pick], test.pictures(everything), test.labels)
    x = test.pictures(indices)
    top = top_held(model, x, count=args.held, seed=0)
    mirror = top_swapped(model, x, count=args.held, seed=0)
    result = coarse_to_fine(classify, top, mirror)
    print(json.dumps({"classifier": classify.describe(), "held": args.held, **result.to_dict()}, indent=2))


if __name__ == "__main__":
    main()
