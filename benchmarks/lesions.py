"""Does a second level of latents keep the microaneurysms of `fundus` that one level smudges?

    python benchmarks/lesions.py run OUT --seconds 100 --seeds 0 1    # finished runs are skipped
    python benchmarks/lesions.py table OUT

Three ladders of one width, with 1,280 latent numbers and as many processor seconds of training steps each: one level
of 8 x 8, one of 16 x 16, and both.  Each reconstructs (one draw of q, means of the pixels) 300 pictures with spots,
those of the test data, and the same eyes without them, with the same noise; what differs in the reconstructions is
what a lesion has left there.  Of a spot a share

    <r(healthy) - r(ill), s> / (depth <s, s>)        s: its profile, over its own pixels

survives, and it is preserved where half of it does; spots that miss all middles of pixels (less than half of their
depth anywhere) do not count.  Detected: AUC, ill against healthy reconstructions, of the strongest answer of a
Laplacian of a Gaussian of 0.6 pixels.  PSNR of the ill pictures; -ELBO of one draw on the 600 test pictures.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from budget import Contender, by_contender, fit, lines, over_seeds, words
from scipy.ndimage import gaussian_laplace, label
from sklearn.metrics import roc_auc_score

import hvae
from hvae import explore
from hvae.data.fundus import SPOT_DEPTH, Twins, twins
from hvae.walk import Model

TEST_SEED, NUMBER, FILTER, AT_ONCE = 2, 300, 0.6, 100
"""The seed and the number of the ill test pictures; the filter's width in pixels."""
COMMON: Mapping[str, object] = {
    **{"data.name": "fundus", "model.width": 16, "model.mixtures": 3, "train.batch": 32, "train.lr": 2e-3},
    **{"train.ema": 0.99, "objective.warmup.length": 0.2},
    **{"evaluate.measures": "likelihood,activity", "evaluate.samples": 1, "evaluate.limit": 0},
}


def ladder(groups: tuple[int, ...], channels: int) -> Contender:
    return Contender("fashion-mnist-small", {**COMMON, "model.groups": groups, "model.latent": channels})


CONTENDERS: Mapping[str, Contender] = {
    "flat-8": ladder((0, 0, 0, 1), 20),
    "flat-16": ladder((0, 0, 1), 5),
    "two-levels": ladder((0, 0, 1, 1), 4),
}
COLUMNS = {"psnr": 2, "survives": 3, "preserved": 3, "detected": 3}
Pictures = np.ndarray[Any, Any]
"""(N, 1, S, S)."""


def main() -> None:
    parser, runs = words(__doc__, 100.0)
    runs.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    args = parser.parse_args()
    if args.what == "run":
        torch.set_num_threads(1)
        pair = twins(NUMBER, seed=TEST_SEED)
        for seed in args.seeds:
            for name, contender in CONTENDERS.items():
                folder = args.out / f"{name}-{seed}"
                fit(contender, folder, name, args.seconds, {"train.seed": seed})
                (folder / "lesions.json").write_text(json.dumps(remains(folder, pair)))
                print("\n".join(rows(args.out)), flush=True)
    print("\n".join(rows(args.out)))


def remains(folder: Path, pair: Twins) -> dict[str, float]:
    """What reconstructions of a run have left of the lesions."""
    model = hvae.load(folder).model.eval()
    ill, healthy = (reconstructed(model, some) for some in (pair.ill, pair.healthy))
    return {"psnr": psnr(pair.ill / 255, ill), **lesions(ill, healthy, pair.spots)}


def reconstructed(model: Model, pictures: Pictures) -> Pictures:
    """With the same noise for any pictures."""
    x = torch.as_tensor(pictures).float() / 255
    return explore.reconstruct(model, x, seed=0, chunk=AT_ONCE).double().numpy()


def lesions(ill: Pictures, healthy: Pictures, spots: Pictures) -> dict[str, float]:
    """The columns that need both twins.

    >>> pair = twins(3)
    >>> {k: round(v, 1) for k, v in lesions(pair.ill / 255, pair.healthy / 255, pair.spots).items() if k != "detected"}
    {'survives': 1.0, 'preserved': 1.0}
    """
    shares = np.concatenate([of_each(*one) for one in zip(healthy - ill, spots, strict=True)])
    scores = np.concatenate([strongest(healthy), strongest(ill)])
    detected = roc_auc_score(np.repeat([0, 1], len(ill)), scores)
    return {"survives": float(shares.mean()), "preserved": float((shares >= 0.5).mean()), "detected": float(detected)}


def of_each(difference: Pictures, spots: Pictures) -> Pictures:
    """The share of each spot of a picture that survives."""
    places, count = label(spots > 0.1)
    own = [places == k for k in range(1, count + 1)]
    deep = [pixels for pixels in own if spots[pixels].max() >= 0.5]
    return np.array([difference[one] @ spots[one] / (SPOT_DEPTH * (spots[one] @ spots[one])) for one in deep])


def strongest(pictures: Pictures) -> Pictures:
    """The strongest answer of the filter to something dark, anywhere in each picture."""
    return np.array([gaussian_laplace(picture[0], FILTER).max() for picture in pictures])


def psnr(pictures: Pictures, others: Pictures) -> float:
    errors = ((pictures - others) ** 2).reshape(len(pictures), -1).mean(1)
    return float((-10 * np.log10(errors)).mean())


def rows(out: Path) -> Iterator[str]:
    """A row for each model, and the pictures themselves."""
    pair = twins(NUMBER, seed=TEST_SEED)
    itself = lesions(pair.ill / 255, pair.healthy / 255, pair.spots)
    heads = ["", *COLUMNS, "-ELBO, bits/dim", "rate, nats", "steps", "seeds"]
    first = ["the pictures", "", *(f"{value:.3f}" for value in itself.values())]
    yield from lines(heads, first, by_contender(out, "lesions.json", list(CONTENDERS), cells))


def cells(name: str, folders: list[Path]) -> Iterator[str]:
    records = [json.loads((folder / "lesions.json").read_text()) for folder in folders]
    results = [json.loads((folder / "evaluation.json").read_text()) for folder in folders]
    yield name
    for column, digits in COLUMNS.items():
        yield over_seeds([record[column] for record in records], digits)
    yield over_seeds([result["likelihood"]["elbo_bits_per_dim"]["mean"] for result in results], 3)
    levels = results[0]["likelihood"]["levels"]
    yield " ".join(f"{level} {one['rate_nats']:.0f}" for level, one in levels.items())
    yield f"{results[0]['step']:,}"
    yield str(len(folders))


if __name__ == "__main__":
    main()
