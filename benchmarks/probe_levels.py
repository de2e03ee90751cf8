"""Which level knows the class: a linear probe on the features of each level, pooled and flattened.

    python benchmarks/probe_levels.py RUN --data mnist-binary --data.root DATA

Half of `-n` test pictures train a logistic regression on standardised features, the other half test it; seed 0.
"""

from __future__ import annotations

import argparse
import sys
import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import hvae
from hvae.cli.words import split_dotted
from hvae.config.data import DataConfig
from hvae.data import load
from hvae.walk import names


def main() -> None:
    rest, dotted = split_dotted(sys.argv[1:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--data", default="mnist-binary", help="a known set with labels, in the form of the run's")
    parser.add_argument("-n", type=int, default=2000)
    args = parser.parse_args(rest)
    test = load(DataConfig(name=args.data, root=dotted.get("data.root", ""))).test
    indices = range(0, len(test), max(1, len(test) // args.n))[: args.n]
    assert test.labels is not None, "this set has no labels"
    x, y, run = test.pictures(indices).numpy(), test.labels[list(indices)].numpy(), hvae.load(args.run)
    print(f"{'level':8} {'pool':8} {'features':>8} {'accuracy':>8}")
    for level in [*((name,) for name in names(run.model)), ()]:
        for pool in ("mean", "flatten"):
            features = hvae.Features(run, levels=level, pool=pool).fit(x).transform(x)
            print(f"{''.join(level) or 'all':8} {pool:8} {features.shape[1]:8} {probed(features, y):8.1%}", flush=True)


def probed(features: object, y: object) -> float:
    train, test, labels, truth = train_test_split(features, y, test_size=0.5, stratify=y, random_state=0)
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return float(probe.fit(train, labels).score(test, truth))


if __name__ == "__main__":
    main()
