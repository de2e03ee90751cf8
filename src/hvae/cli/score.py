"""hvae score: which images are out-of-distribution for a model."""

from __future__ import annotations

import hashlib
import os
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.cli.context import add_context, contexts
from hvae.cli.parser import SEED, Parser, real, whole
from hvae.cli.voice import Voice
from hvae.cli.words import split_dotted
from hvae.config.bounds import Bound
from hvae.config.data import KNOWN
from hvae.errors import HvaeError
from hvae.pretrained import is_packaged
from hvae.runs.form import HUB, SPLITS

if TYPE_CHECKING:
    from hvae.study.score import Scores

ABOUT = (
    "Score images, or sequences, by how far out of a model's distribution they are: one row a datum with every score,"
    " a decision (foreign: out-of-distribution, or normal) and its reason. What is normal comes from the validation "
    "data of the run alone. Higher is farther out, for every score. Images of another form are converted to the "
    "model's, and a line says how. The scores of sequences are in nats a step."
)
EXAMPLES = (
    "hvae score runs/fashion --data ~/new-images",
    "hvae score runs/fashion --data mnist-dynamic --foreign --maps 8",
    "hvae score runs/fashion --data mnist-dynamic --foreign --reverse runs/mnist",
    "hvae score runs/fashion --data ~/new-images --regret 100 -n 200 --normal 200 --by regret",
    'hvae score runs/photos --data test --by "llr>2" --quantile 0.99',
    "hvae score runs/jsb-vrnn --data ~/new-music",
    "hvae score runs/tissue --data slide.tif --tile --magnifications 1,2,4 --out found",
)
USAGE = "RUN --data X [--by SCORE] [--quantile Q] [--foreign [--reverse RUN2]] [--regret STEPS] [--maps N] [--tile]"
ONE_PICTURE = ("number", "foreign", "reverse", "regret", "maps")
"""What speaks of many images, or of small ones."""


def parser() -> Parser:
    command = Parser("score", ABOUT, EXAMPLES, USAGE)
    command.add_argument("run", metavar="RUN", help="a run folder that hvae train has written")
    source = "a folder of images; an .npy, .npz or IDX file; hub:OWNER/NAME, a data set of the Hugging Face hub; a "
    source += "known data set (hvae data); test, valid or train; of sequences a file or folder as hvae train reads it"
    command.add_argument("--data", required=True, metavar="X", help=source)
    by = "one score that decides alone, when it is high: nll, nll>K, llr>K, kl, kl/LEVEL, typicality, complexity, "
    by += "regret [any of a few that leaves its normal range, on either side]"
    command.add_argument("--by", default="", metavar="SCORE", help=by)
    share = "share of normal data that is called normal, by all scores that decide together"
    quantile = real(Bound(above=0, below=1, expected="a quantile between 0 and 1"))
    command.add_argument("--quantile", "--accept", type=quantile, default=0.95, metavar="Q", help=share)
    command.add_argument(
        "--samples", type=whole(1, 10**6), default=1, metavar="K", help="1: the ELBO; more: the IW-K bound"
    )
    normal = "training data that say what is usual, and validation data that set the threshold (at most)"
    command.add_argument("--normal", type=whole(1), default=1000, metavar="N", help=normal)
    number = "only so many of them, at random (0: all)"
    command.add_argument("-n", "--number", type=whole(0), default=0, metavar="N", help=number)
    _add_comparisons(command)
    command.add_argument(
        "--maps",
        type=whole(0, 10_000),
        default=0,
        metavar="N",
        help="heat maps of the N images that are farthest out: where in them the score is high",
    )
    _add_tiles(command)
    out = "the .csv to write [RUN/scores-X.csv]; with --tile a new folder [RUN/tiles-X]"
    command.add_argument("-o", "--out", default="", metavar="FILE", help=out)
    command.add_argument("--seed", type=SEED, default=0, metavar="S", help="seed of every draw")
    add_context(command)
    return command


def _add_comparisons(command: Parser) -> None:
    pair = "X is known to be out-of-distribution: also how well each score separates it from the run's test data"
    command.add_argument("--foreign", action="store_true", help=pair)
    other = "a run that was trained on X: also the other direction of the pair, the test data of RUN before RUN2"
    command.add_argument("--reverse", default="", metavar="RUN2", help=other)
    dear = "also the likelihood regret after so many gradient steps of each image, as 100; dear: about STEPS times "
    dear += "what the other scores cost, bounded by -n and --normal (0: not)"
    command.add_argument("--regret", type=whole(0, 10**6), default=0, metavar="STEPS", help=dear)


def _add_tiles(command: Parser) -> None:
    tile = "X is one picture of any size (a picture file, or an .npy of uint8 or uint16): maps of where it is unusual, "
    tile += "level by level, without seams, and a row for each of its overlapping tiles"
    command.add_argument("--tile", action="store_true", help=tile)
    reduced = "of --tile: by how much the picture is reduced, each with maps of its own, as 1,2,4"
    command.add_argument("--magnifications", type=_whole_numbers, default=(1,), metavar="K,K", help=reduced)


def _whole_numbers(text: str) -> tuple[int, ...]:
    return tuple(whole(1)(word) for word in text.split(","))


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice = Voice(args.json)
    if args.tile:
        _tiled(args, dotted, voice)
        return
    if args.magnifications != (1,):
        raise HvaeError("--magnifications are of one large picture; add --tile")
    with voice.working():
        scores = _scored(args, dotted, voice)
    voice.answer(scores.to_dict())
    if not args.json:
        from hvae.cli.shown_scores import shown

        for part in shown(scores):
            voice.show(part)


def _scored(args: Namespace, dotted: Mapping[str, str], voice: Voice) -> Scores:
    from hvae.study.score import score

    return score(
        args.run,
        args.data,
        by=args.by,
        quantile=args.quantile,
        samples=args.samples,
        normal=args.normal,
        number=args.number,
        foreign=args.foreign,
        reverse=args.reverse or None,
        regret=args.regret,
        maps=args.maps,
        out=args.out or _default(Path(args.run), args.data),
        seed=args.seed,
        context=contexts(args.context),
        overrides=dotted,
        trust=args.trust,
        progress=voice,
        tell=voice.tell,
    )


def _tiled(args: Namespace, dotted: Mapping[str, str], voice: Voice) -> None:
    from hvae.study.slides.score import score_slide

    if wrong := next((name for name in ONE_PICTURE if getattr(args, name)), None):
        raise HvaeError(f"--{wrong} is not for --tile, which scores one picture; leave one of them out")
    with voice.working():
        scores = score_slide(
            args.run,
            args.data,
            out=args.out or _folder(Path(args.run), args.data),
            magnifications=args.magnifications,
            by=args.by,
            quantile=args.quantile,
            samples=args.samples,
            normal=args.normal,
            seed=args.seed,
            context=contexts(args.context),
            overrides=dotted,
            trust=args.trust,
            progress=voice,
            tell=voice.tell,
        )
    voice.answer(scores.to_dict())
    if not args.json:
        from hvae.cli.shown_scores import shown_slide

        for part in shown_slide(scores):
            voice.show(part)


def _folder(run: Path, data: str) -> Path:
    """The folder of a slide's maps; beside the working folder where there is no run, which is said when it is read."""
    table = _default(run, data)
    return Path("tiles") if table is None else table.with_name(f"tiles-{_name(data)}")


def _default(run: Path, data: str) -> Path | None:
    """The table of a run's folder; None where there is no run, which is said when it is read."""
    if is_packaged(run):  # whose folder need not be there
        return Path(f"{run}-scores-{_name(data)}.csv")
    folder = run.parent if run.suffix == ".safetensors" and not run.is_dir() else run
    return folder / f"scores-{_name(data)}.csv" if folder.is_dir() else None


def _name(data: str) -> str:
    """A name for these images that no others have: places get some digits of their path, for many are called alike.

    >>> _name("test"), _name("hub:owner/pets")
    ('test', 'owner--pets')
    """
    path = Path(data).expanduser()
    if data in (*SPLITS, *KNOWN) or not path.exists():
        return data.removeprefix(HUB).replace("/", "--")
    place = path.resolve()
    return f"{place.name[:100]}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:6]}"
