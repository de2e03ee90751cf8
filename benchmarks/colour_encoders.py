"""Learned against fixed inference on CIFAR-10: ladder, Markov chain and diffusion at equal weights and training time.

    python benchmarks/colour_encoders.py run OUT --seconds 100 --seeds 0 1 2 --root DATA    # finished runs are skipped
    python benchmarks/colour_encoders.py table OUT

The plain ladder of five levels infers top-down beside its prior, the Markov chain of three bottom-up, the diffusion of
1,000 has a fixed q; each has about 0.60 million weights and so many processor seconds of training steps of 16 images,
at the measured price of its own; averaged weights of the last step.  -ELBO, bits a dimension, on the first 500 test
images: of one draw, and of the diffusion unbiased by ten random levels an image.  Idle are levels below 0.1 nats (of
the diffusion, groups of its 1,000).  Frechet and kernel distance of 256 samples to 256 test images, by the hidden layer
of a small classifier, and processor milliseconds a sample, of the diffusion by solver and steps: what is at hand at the
time that the ladder takes stands beside it.  Means over seeds with Student's 95 %.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from budget import Contender, by_contender, lines, over_seeds, planned, trained_alone, words
from diffusion_sampling import judge
from encoders import MARKOV, idle

import hvae
from hvae import explore
from hvae.data import load
from hvae.data.images import ImageData
from hvae.metrics import Extractor, quality
from hvae.metrics.depth import has_depth

RECORD = "measured.json"
TESTED, SAMPLES, AT_ONCE, VISITS = 500, 256, 50, 10
WARM = {"objective.warmup.length": 0.1}
CONTENDERS: Mapping[str, Contender] = {
    "ladder": Contender("cifar10-small", WARM),
    "markov": Contender("cifar10-small", {**MARKOV, "model.latents": "8,8,8", "model.widths": "72,72,72", **WARM}),
    "vdm": Contender("cifar10-vdm", {"model.widths": "32,40,48", "model.norm": "group", "train.valid_size": 200}),
}
SOLVERS: Mapping[str, Sequence[str]] = {"vdm": ("ddim:1", "second-order:2", "second-order:5", "second-order:10")}


@dataclass(frozen=True)
class Rest:
    """What the runs have in common: where they lie, the budget, and what their samples are compared by."""

    out: Path
    seconds: float
    root: Mapping[str, str]
    data: ImageData
    network: Extractor


def main() -> None:
    parser, runs = words(__doc__, 100.0)
    runs.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    runs.add_argument("--families", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    runs.add_argument("--root", default="", help="where the data sets lie")
    args = parser.parse_args()
    if args.what == "run":
        torch.set_num_threads(1)
        root = {"data.root": args.root} if args.root else {}
        data = load(CONTENDERS["ladder"].config(**root).data)
        rest = Rest(args.out, args.seconds, root, data, judge(data))
        print(floor(rest), flush=True)
        for seed in args.seeds:
            for name in args.families:
                measure(rest, name, seed)
    print("\n".join(table(args.out)))


def measure(rest: Rest, name: str, seed: int) -> None:
    """One run with what it is measured by, unless it is finished."""
    folder = rest.out / f"{name}-{seed}"
    if not (folder / RECORD).exists():
        more = {"train.seed": seed, **rest.root}
        trained_alone(planned(CONTENDERS[name], folder, name, rest.seconds, more), folder)
        model = hvae.load(folder).model.eval()
        samples = {solver: sampled(model, solver, seed, rest) for solver in SOLVERS.get(name, ("",))}
        bound = bounded(model, rest.data, seed)
        (folder / RECORD).write_text(json.dumps({**bound, "samples": samples, "judge": rest.network.name}))


@torch.no_grad()
def bounded(model: hvae.Model, data: ImageData, seed: int) -> dict[str, Any]:
    """-ELBO in bits a dimension, and the nats of each level."""
    torch.manual_seed(seed)
    draw = hvae.thin(VISITS) if has_depth(model) else hvae.posterior
    some = range(0, min(TESTED, len(data.test)), AT_ONCE)
    traces = [hvae.run(model, draw, model.evidence(data.test.batch(range(i, i + AT_ONCE)).x)) for i in some]
    levels = {level: fmean(float(trace.rates()[level].mean()) for trace in traces) for level in traces[0].rates()}
    nats = fmean(float(-trace.elbo().mean()) for trace in traces)
    return {"bits": nats / math.log(2) / math.prod(model.shape), "levels": levels}


def sampled(model: hvae.Model, solver: str, seed: int, rest: Rest) -> dict[str, float]:
    """Distances of the samples to test images, and the processor milliseconds of each."""
    start = time.process_time()
    pictures = explore.sample_pixels(model, SAMPLES, solver=solver, seed=seed, chunk=AT_ONCE)
    seconds = time.process_time() - start
    result = quality([rest.data.test.batch(range(SAMPLES)).x], [pictures], rest.network)
    return {"frechet": result.fid, "kernel": result.kid, "ms": 1000 * seconds / SAMPLES}


def floor(rest: Rest) -> str:
    """What the distances are of as many other test images."""
    real, other = (rest.data.test.batch(range(first, first + SAMPLES)).x for first in (0, SAMPLES))
    result = quality([real], [other], rest.network)
    return f"{SAMPLES} other test images: Frechet {result.fid:.1f}, kernel {result.kid:.1f}; {rest.network.name}"


def table(out: Path) -> Iterator[str]:
    """A row for each family, and below it one for each way to draw its samples."""
    heads = ("", "bits/dim", "idle", "steps", "refused", "seeds")
    yield from lines(heads, (), (cells for cells in by_contender(out, RECORD, list(CONTENDERS), bounds)))
    heads = ("", "Frechet", "kernel", "ms a sample")
    ways = {f"{name} {solver}": (name, solver) for name in CONTENDERS for solver in SOLVERS.get(name, ("",))}
    yield from lines(heads, (), (row for way, pair in ways.items() for row in drawn(out, way, *pair)))


def bounds(name: str, folders: list[Path]) -> Iterator[str]:
    records = [json.loads((folder / RECORD).read_text()) for folder in folders]
    courses = [json.loads((folder / "provenance.json").read_text())["training"] for folder in folders]
    levels = [{level: {"rate_nats": nats} for level, nats in record["levels"].items()} for record in records]
    yield name
    yield over_seeds([record["bits"] for record in records], 3)
    yield "/".join(str(idle(one)) for one in levels) + f" of {len(levels[0])}"
    yield f"{fmean(course['step'] for course in courses):,.0f}"
    yield "/".join(str(course["skipped"] + course["dropped"]) for course in courses)
    yield str(len(folders))


def drawn(out: Path, way: str, name: str, solver: str) -> Iterator[list[str]]:
    paths = sorted(out.glob(f"{name}-*/{RECORD}"))
    samples = [json.loads(path.read_text())["samples"][solver] for path in paths]
    if samples:
        yield [way, *(over_seeds([one[key] for one in samples], 1) for key in ("frechet", "kernel", "ms"))]


if __name__ == "__main__":
    main()
