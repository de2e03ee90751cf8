"""Whether the microaneurysms of `fundus` can be seen at all in 64 x 64 pixels: by filters of the size of a spot.

    python benchmarks/fundus_spots.py [--number 600]

The strongest answer of a Laplacian of a Gaussian anywhere in a picture, as a score of "has lesions"; and a logistic
regression on the strongest, the sixth and the twenty-first answer of three widths, learnt on other pictures.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.ndimage import gaussian_laplace
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hvae.data.fundus import fundus

WIDTHS, RANKS = (0.4, 0.6, 0.8), (0, 5, 20)


def answers(lesions: bool, number: int, seed: int) -> np.ndarray:
    """The ranked answers of each width in each picture, (N, W R)."""
    pictures = fundus(number, lesions=lesions, seed=seed)[:, 0] / 255
    ranked = [
        -np.sort([-gaussian_laplace(picture, width).ravel() for picture in pictures], 1)[:, RANKS] for width in WIDTHS
    ]
    return np.concatenate(ranked, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=600)
    count = parser.parse_args().number
    train, test = (np.concatenate([answers(k, count, seed) for k in (False, True)]) for seed in (7, 8))
    labels = np.repeat([0, 1], count)
    for k, width in enumerate(WIDTHS):
        print(f"width {width} pixels: AUC {roc_auc_score(labels, test[:, k * len(RANKS)]):.3f}")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(train, labels)
    print(f"all nine: {model.score(test, labels):.1%} right of {2 * count:,} other pictures, half of them with lesions")


if __name__ == "__main__":
    main()
