"""Does two-way inference cover modes better?  Samples of a flat VAE, a ladder and BIVA at one budget, over seeds.

    python benchmarks/modes.py run OUT --seconds 100 --seeds 0 1 2 --root DATA    # finished runs are skipped
    python benchmarks/modes.py table OUT

Digits of MNIST, binarised anew in training: the presets mnist-static-vae, -ladder and -biva on these data, as many
processor seconds of training steps each, the rest of the presets as it is (a warm-up over a fifth of the steps where
the preset has one; the weights of the best validation).  Then 2,000 samples (all levels from the prior, pixels drawn)
against the first 2,000 test images, by the 128 hidden features of a convolutional classifier of 8,000 training
images: precision and recall (k = 3), density and coverage (k = 5), Frechet and kernel distance; the floor is the next
2,000 test images.  -ELBO of one draw on 1,000 test images.  Means over seeds with Student's 95 %.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from budget import Contender, by_contender, fit, lines, over_seeds, words
from diffusion_sampling import judge
from torch import Tensor

import hvae
from hvae import explore
from hvae.config.data import DataConfig
from hvae.data import load
from hvae.metrics import Extractor, quality

DATA, NUMBER, AT_ONCE = "mnist-dynamic", 2_000, 500
WARM = {"objective.warmup.length": 0.2}
CONTENDERS: Mapping[str, Contender] = {
    "vae": Contender("mnist-static-vae", WARM),
    "ladder": Contender("mnist-static-ladder", WARM),
    "biva": Contender("mnist-static-biva"),
}
MEASURES = {"precision": 3, "recall": 3, "density": 3, "coverage": 3, "fid": 1, "kid": 2}
"""What is in the table, with its digits."""
FLOOR = "floor.json"


def main() -> None:
    parser, runs = words(__doc__, 100.0)
    runs.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    runs.add_argument("--root", default="", help="where the data sets lie")
    args = parser.parse_args()
    if args.what == "run":
        torch.set_num_threads(1)
        measure(args.out, args.seconds, args.seeds, args.root)
    print("\n".join(rows(args.out)))


def measure(out: Path, seconds: float, seeds: list[int], root: str) -> None:
    """All runs that are missing, and their samples."""
    data = load(DataConfig(name=DATA, root=root))
    real, other = (data.test.pictures(range(i * NUMBER, (i + 1) * NUMBER)) for i in range(2))
    network = judge(data)
    out.mkdir(parents=True, exist_ok=True)
    (out / FLOOR).write_text(json.dumps(compared(real, other, network)))
    for seed in seeds:
        for name, contender in CONTENDERS.items():
            folder = out / f"{name}-{seed}"
            fit(contender, folder, name, seconds, settings(seed, root))
            if not (folder / "samples.json").exists():
                samples = explore.sample_pixels(hvae.load(folder).model.eval(), NUMBER, seed=seed, chunk=AT_ONCE)
                (folder / "samples.json").write_text(json.dumps(compared(real, samples, network)))
            print("\n".join(rows(out)), flush=True)


def settings(seed: int, root: str) -> dict[str, object]:
    evaluation = {"evaluate.measures": "likelihood,activity", "evaluate.samples": 1, "evaluate.limit": 1000}
    return {"data.name": DATA, "train.seed": seed, **evaluation, **({"data.root": root} if root else {})}


def compared(real: Tensor, pictures: Tensor, network: Extractor) -> dict[str, object]:
    """The numbers of the table, with their extractor."""
    result = quality(real.split(AT_ONCE), pictures.split(AT_ONCE), network)
    return {"extractor": result.extractor, **{name: getattr(result, name) for name in MEASURES}}


def rows(out: Path) -> Iterator[str]:
    """A row for each family, and the floor."""
    floor = json.loads((out / FLOOR).read_text())
    yield f"{NUMBER:,} pictures, {floor['extractor']}"
    heads = ["", "-ELBO, nats", *MEASURES, "steps", "seeds"]
    first = ["test images", "", *(f"{floor[name]:.{digits}f}" for name, digits in MEASURES.items())]
    yield from lines(heads, first, by_contender(out, "samples.json", list(CONTENDERS), cells))


def cells(name: str, folders: list[Path]) -> Iterator[str]:
    results = [json.loads((folder / "evaluation.json").read_text()) for folder in folders]
    samples = [json.loads((folder / "samples.json").read_text()) for folder in folders]
    yield name
    yield over_seeds([result["likelihood"]["negative_elbo_nats"]["mean"] for result in results])
    for measure_, digits in MEASURES.items():
        yield over_seeds([one[measure_] for one in samples], digits)
    yield f"{results[0]['step']:,}"
    yield str(len(folders))


if __name__ == "__main__":
    main()
