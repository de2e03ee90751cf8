"""Which levels should be told the class?  A ladder of three levels on MNIST: all, the top alone, the lowest alone.

    python benchmarks/condition_levels.py run OUT --seconds 30 --seeds 0 --root DATA    # finished runs are skipped
    python benchmarks/condition_levels.py table OUT

The preset mnist-ladder-class with `model.condition.levels`, as many processor seconds of training steps each.  -ELBO
of one draw of -log p(x given y) on 1,000 test images, with its 95 % over images; the share of 1,000 samples, 100 of
each class, all levels from the prior, pixels drawn, that show their class to a convolutional classifier of 8,000
training images; and the same latents decoded under the next class: the share that shows the new one, and the old one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from budget import Contender, fit, words
from torch import Tensor

import hvae
from hvae.config.data import DataConfig
from hvae.data import load
from hvae.explore.swap import swap
from hvae.metrics import train_classifier

CLASSES, EACH, TRAINED_ON, TESTED_ON, AT_ONCE = 10, 100, 8_000, 2_000, 100
CONTENDERS: Mapping[str, Contender] = {
    name: Contender("mnist-ladder-class", {"model.condition.levels": levels})
    for name, levels in (("all", "all"), ("top", "z3"), ("lowest", "z1"))
}
TEST = {"evaluate.measures": "likelihood,activity", "evaluate.samples": 1, "evaluate.limit": 1000}


def main() -> None:
    parser, runs = words(__doc__, 30.0)
    runs.add_argument("--seeds", type=int, nargs="+", default=[0])
    runs.add_argument("--root", default="", help="where the data sets lie")
    args = parser.parse_args()
    if args.what == "run":
        torch.set_num_threads(1)
        for seed in args.seeds:
            for name, contender in CONTENDERS.items():
                root = {"data.root": args.root} if args.root else {}
                fit(contender, args.out / f"{name}-{seed}", name, args.seconds, {**TEST, **root, "train.seed": seed})
        judged(args.out, args.root)
    print("\n".join(rows(args.out)))


def judged(out: Path, root: str) -> None:
    """Samples of all finished runs, by one classifier."""
    data = load(DataConfig(name="mnist-dynamic", root=root))
    some, other = data.train.fixed(0).batch(range(TRAINED_ON)), data.test.batch(range(TESTED_ON))
    judge = train_classifier(some.x, some.context["label"], other.x, other.context["label"], kind="conv")
    print(f"judge: {judge.describe()}", flush=True)
    for path in sorted(out.glob("*/evaluation.json")):
        (path.parent / "shares.json").write_text(json.dumps(shares(path.parent, judge)))


def shares(folder: Path, judge: Callable[[Tensor], Tensor]) -> dict[str, float]:
    """Of the samples of one run."""
    labels = torch.arange(CLASSES).repeat_interleave(EACH)
    following = (labels + 1) % CLASSES
    model = hvae.load(folder).model.eval()
    first, second = (
        judge(pictures)
        for pictures in swap(model, len(labels), {"label": labels}, {"label": following}, seed=0, chunk=AT_ONCE)
    )
    same = {"right": first == labels, "new": second == following, "old": second == labels}
    return {name: float(hits.double().mean()) for name, hits in same.items()}


def rows(out: Path) -> Iterator[str]:
    yield f"{'told':10} {'-ELBO, nats':>24} {'right':>7} {'swap: new':>9} {'old':>6} {'steps':>6}  rates, nats"
    for path in sorted(out.glob("*/shares.json")):
        shares_, result = json.loads(path.read_text()), json.loads((path.parent / "evaluation.json").read_text())
        bound, levels = result["likelihood"]["negative_elbo_nats"], result["likelihood"]["levels"]
        nats = f"{bound['mean']:.2f} [{bound['low95']:.2f}, {bound['high95']:.2f}]"
        rates = ", ".join(f"{name} {one['rate_nats']:.1f}" for name, one in levels.items())
        hits = f"{shares_['right']:7.1%} {shares_['new']:9.1%} {shares_['old']:6.1%}"
        yield f"{path.parent.name:10} {nats:>24} {hits} {result['step']:6,}  {rates}"


if __name__ == "__main__":
    main()
