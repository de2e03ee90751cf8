"""Pack the models that come with the library: does float16 move their bounds?

    python benchmarks/pretrained.py RUNS [NAME ...] [--data.root FOLDER] [--write]
    python benchmarks/pretrained.py --packaged NAME [NAME ...] [--data.root FOLDER] [--write]
    python benchmarks/pretrained.py --judge [--write]

RUNS holds the run folders below, each trained by the command that stands in its card.  A scrubbed copy of each with
weights in float16 is evaluated as the run was (same data, draws and settings), and the bounds are compared: float16
stays where both move by less than 0.1 %.  `--write` puts what was compared, with the numbers of its own weights, into
the package.  `--packaged` takes models of the package for runs.  `--judge` measures nothing: it renews the verdicts of
the packaged models, by today's rules, from the numbers that they came with, and needs no run folders.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import hvae
from hvae import pretrained
from hvae.checkpoints import LoadedRun
from hvae.files import making
from hvae.study.evaluate import judged
from hvae.study.evaluation import FILE, Evaluation
from hvae.study.gifts.gift import Gift, gift, pack, packaged
from hvae.study.measures.likelihood import Likelihood

MOST = 1e-3
"""The largest relative change of a bound with which float16 stays."""


@dataclass(frozen=True)
class Packed:
    """A run folder, and the licence of its data, under which its weights are given."""

    run: str
    licence: str


MODELS = {
    "digits": Packed("pre-digits", "cc-by-4.0"),
    "mnist-ladder": Packed("pre-mnist-ladder", "cc-by-sa-3.0"),
    "mnist-ladder-class": Packed("mnist-class", "cc-by-sa-3.0"),
    "digits-vdm": Packed("pre-digits-vdm", "cc-by-4.0"),
    "mnist-lossy": Packed("pre-mnist-lossy", "cc-by-sa-3.0"),
    "mnist-vqvae": Packed("pre-mnist-vqvae", "cc-by-sa-3.0"),
    "fashion-ladder": Packed("pre-fashion", "mit"),
    "sprites-ladder": Packed("pre-sprites", "cc-by-sa-3.0"),
    "shakespeare-vrae": Packed("text-vrae", "cc0-1.0"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path, nargs="?")
    parser.add_argument("names", nargs="*", default=[*MODELS])
    parser.add_argument("--packaged", nargs="+", choices=[*MODELS], default=[])
    parser.add_argument("--data.root", dest="root", default="")
    parser.add_argument("--judge", action="store_true")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    if args.judge:
        rejudge(write=args.write)
        return
    if args.runs is None and not args.packaged:
        parser.error("expected the folder that holds the runs, --packaged, or --judge")
    print("model               bytes, float32  float16   -ELBO, float32  float16    moves    -IW moves  kept as")
    for name in args.packaged or args.names or MODELS:
        run = hvae.load(name if args.packaged else args.runs / MODELS[name].run)
        whole = gift(run, name=name, licence=MODELS[name].licence)
        half, line = halved(name, whole, run, args.root)
        print(line, flush=True)
        if args.write:
            pack(half or whole, name)


def rejudge(*, write: bool) -> None:
    """Print the verdict of each packaged model by today's rules, and, with `write`, keep it."""
    for name in pretrained.names():
        bundle = packaged(name)
        before = Evaluation.from_dict(bundle.evaluation)
        after = judged(hvae.load(name), before)
        print(f"{name}: {'as before' if after.verdict == before.verdict else 'changed'}: {after.conclusion}")
        if write and after != before:
            pack(bundle.with_evaluation(after), name)


def halved(name: str, whole: Gift, run: LoadedRun, root: str) -> tuple[Gift | None, str]:
    """The run in float16 with numbers of its own, None where they differ too much; and a line of the table."""
    with TemporaryDirectory() as place:
        folder = Path(place) / name
        with making(folder) as temporary:
            gift(run, name=name, licence=whole.card["licence"], half=True).write(temporary)
        (folder / FILE).unlink()
        half = hvae.evaluate(folder, overrides={"data.root": root} if root else {})
        bundle = gift(hvae.load(folder), name=name, licence=whole.card["licence"])
    before, after = bounds(Evaluation.from_dict(whole.evaluation)), bounds(half)
    moves = [abs(b - a) / abs(a) for a, b in zip(before, after, strict=True)]
    stays = max(moves) < MOST
    line = f"{name:<20} {len(whole.weights):>13,} {len(bundle.weights):>8,} {before[0]:>16.4f} {after[0]:>8.4f} "
    line += f"{moves[0]:>8.4%} {moves[1]:>11.4%}  {'float16' if stays else 'float32'}"
    return bundle if stays else None, line


def bounds(evaluation: Evaluation) -> tuple[float, float]:
    """-ELBO and -IW in nats a datum."""
    result = evaluation.of(Likelihood)
    assert result is not None
    return result.negative_elbo_nats.mean, result.negative_iw_nats.mean


if __name__ == "__main__":
    main()
