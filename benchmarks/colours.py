"""Bits a dimension of CIFAR-10 by families at one budget: a flat VAE, the Ladder VAE and the small deep ones.

    python benchmarks/colours.py run OUT --seconds 480 --families vae lvae ladder --root DATA
    python benchmarks/colours.py table OUT

The presets of this set sized for one core, and a flat VAE and a Ladder VAE of convolutions as wide as the plain ladder
(40 channels at 32, 16 and 8 pixels; 5 logistics, 16 images a step), as many processor seconds of training steps each.
-ELBO of one draw on the first 1,000 test images, all that are at hand; of the diffusion, whose walk has 1,000 levels,
an unbiased estimate of it by ten random levels a datum, on 500 of these images at random, without the page of the run,
whose whole walks of the 1,000 images would take two hours; seed 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from budget import Contender, fit, planned, trained_alone, words

from hvae.study.evaluate import evaluate

SHALLOW: Mapping[str, object] = {"model.network": "conv", "model.widths": "40,40,40"}
CONTENDERS: Mapping[str, Contender] = {
    "vae": Contender("cifar10-small", {"model.family": "vae", "model.latent": 64, **SHALLOW}),
    "lvae": Contender("cifar10-small", {"model.family": "lvae", "model.latents": "8,16,32", **SHALLOW}),
    "ladder": Contender("cifar10-small"),
    "vdvae": Contender("vdvae-cifar10-small"),
    "nvae": Contender("nvae-cifar10-small"),
    "vdm": Contender("cifar10-vdm"),
}
LEVELS = 1000
"""Of the diffusion."""
WARM = {"objective.warmup.length": 0.1}
"""For the families whose presets have it in steps."""
TEST = {"evaluate.measures": "likelihood,activity", "evaluate.samples": 1, "evaluate.limit": 0}
DEEP = {"evaluate.measures": "depth", "train.valid_size": 200}
"""For the diffusion: a whole walk of an image takes a thousand networks."""


def main() -> None:
    parser, runs = words(__doc__, 480.0)
    runs.add_argument("--families", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    runs.add_argument("--root", default="", help="where the data sets lie")
    args = parser.parse_args()
    if args.what == "run":
        torch.set_num_threads(1)
        for name in args.families:
            course = fit_alone if name == "vdm" else fit
            course(CONTENDERS[name], args.out / name, name, args.seconds, settings(name, args.root))
    print("\n".join(rows(args.out)))


def fit_alone(contender: Contender, folder: Path, name: str, seconds: float, more: Mapping[str, object]) -> None:
    """As `fit`, with what `more` measures and nothing else: no page, no whole walks."""
    if not (folder / "evaluation.json").exists():
        trained_alone(planned(contender, folder, name, seconds, more), folder)
        evaluate(folder)


def settings(name: str, root: str) -> dict[str, object]:
    own = {"vdvae": {}, "vdm": DEEP}.get(name, WARM)
    return {**TEST, **own, "train.seed": 0, **({"data.root": root} if root else {})}


def rows(out: Path) -> Iterator[str]:
    yield f"{'':8} {'-ELBO, bits/dim':>18} {'steps':>8} {'minutes':>8}  rates, nats"
    for path in sorted(out.glob("*/evaluation.json")):
        result, course = (
            json.loads((path.parent / f"{name}.json").read_text()) for name in ("evaluation", "provenance")
        )
        bits, rates = deepest(result) if path.parent.name == "vdm" else ladder(result)
        bound = f"{bits['mean']:.3f} ± {bits['standard_error']:.3f}"
        minutes = course["training"]["seconds"] / 60
        yield f"{path.parent.name:8} {bound:>18} {result['step']:8,} {minutes:8.1f}  {rates}"


def ladder(result: Mapping[str, Any]) -> tuple[Mapping[str, float], str]:
    """The bound in bits a dimension, and the nats of each level."""
    likelihood = result["likelihood"]
    rates = ", ".join(f"{level} {one['rate_nats']:.1f}" for level, one in likelihood["levels"].items())
    return likelihood["elbo_bits_per_dim"], rates


def deepest(result: Mapping[str, Any]) -> tuple[Mapping[str, float], str]:
    """The bound of the 1,000 levels that the model has."""
    (bound,) = (one for one in result["depth"]["by_levels"] if one["levels"] == LEVELS)
    return bound["bits_per_dim"], ""


if __name__ == "__main__":
    main()
