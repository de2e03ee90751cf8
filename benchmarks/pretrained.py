"""Pack the models that come with the library: does float16 move their bounds?

    python benchmarks/pretrained.py RUNS [NAME ...] [--data.root FOLDER] [--write]

RUNS holds the run folders below, each trained by the command that stands in its card.  A scrubbed copy of each with
weights in float16 is evaluated as the run was (same data, draws and settings), and the bounds are compared: float16
stays where both move by less than 0.1 %.  `--write` puts what was compared, with the numbers of its own weights, into
the package.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import hvae
from hvae.files import making
from hvae.study.evaluation import FILE, Evaluation, read_evaluation
from hvae.study.gifts.gift import Gift, gift, pack
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
    "shakespeare-vrae": Packed("text-vrae", "cc0-1.0"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("names", nargs="*", default=[*MODELS])
    parser.add_argument("--data.root", dest="root", default="")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    print("model               bytes, float32  float16   -ELBO, float32  float16    moves    -IW moves  kept as")
    for name in args.names or MODELS:
        half, line = halved(name, MODELS[name], args.runs, args.root)
        print(line, flush=True)
        if args.write:
            whole = gift(hvae.load(args.runs / MODELS[name].run), name=name, licence=MODELS[name].licence)
            pack(half or whole, name)


def halved(name: str, packed: Packed, runs: Path, root: str) -> tuple[Gift | None, str]:
    """The run in float16 with numbers of its own, None where they differ too much; and a line of the table."""
    run = hvae.load(runs / packed.run)
    whole = read_evaluation(run.folder / FILE)
    with TemporaryDirectory() as place:
        folder = Path(place) / name
        with making(folder) as temporary:
            gift(run, name=name, licence=packed.licence, half=True).write(temporary)
        (folder / FILE).unlink()
        half = hvae.evaluate(folder, overrides={"data.root": root} if root else {})
        bundle = gift(hvae.load(folder), name=name, licence=packed.licence)
    size = (runs / packed.run / "model.safetensors").stat().st_size
    moves = [abs(b - a) / abs(a) for a, b in zip(bounds(whole), bounds(half), strict=True)]
    stays = max(moves) < MOST
    line = f"{name:<20} {size:>13,} {len(bundle.weights):>8,} {bounds(whole)[0]:>16.4f} {bounds(half)[0]:>8.4f} "
    line += f"{moves[0]:>8.4%} {moves[1]:>11.4%}  {'float16' if stays else 'float32'}"
    return bundle if stays else None, line


def bounds(evaluation: Evaluation) -> tuple[float, float]:
    """-ELBO and -IW in nats a datum."""
    result = evaluation.of(Likelihood)
    assert result is not None
    return result.negative_elbo_nats.mean, result.negative_iw_nats.mean


if __name__ == "__main__":
    main()
