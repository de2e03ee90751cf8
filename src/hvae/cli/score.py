"""hvae score: which images are foreign to a model."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.cli.parser import SEED, Parser, real, split_dotted, whole
from hvae.cli.voice import Voice
from hvae.config.bounds import Bound

if TYPE_CHECKING:
    from hvae.cli.scoring.judge import Judge
    from hvae.cli.scoring.pair import Pair

ABOUT = (
    "Score images by how foreign they are to a model: one row an image with every score, a decision and "
    "its reason. What is normal comes from the validation data of the run alone. Higher is more foreign, for every "
    "score. Images of another form than the model's are brought to it, and what was done is told."
)
EXAMPLES = (
    "hvae score runs/fashion --data ~/new-images",
    "hvae score runs/fashion --data mnist-dynamic --foreign --maps 8",
    "hvae score runs/fashion --data mnist-dynamic --foreign --reverse runs/mnist",
    "hvae score runs/fashion --data ~/new-images --regret 100 -n 200 --normal 200 --by regret",
    'hvae score runs/photos --data test --by "llr>2" --quantile 0.99',
)
USAGE = "RUN --data X [--by SCORE] [--quantile Q] [--foreign [--reverse RUN2]] [--regret STEPS] [--maps N]"
POSITIVE = "foreign"


def parser() -> Parser:
    made = Parser("score", ABOUT, EXAMPLES, USAGE)
    made.add_argument("run", metavar="RUN", help="a run folder that hvae train has written")
    source = "a folder of images; an .npy, .npz or IDX file; a known data set (hvae data); test, valid or train"
    made.add_argument("--data", required=True, metavar="X", help=source)
    by = "one score that decides alone, when it is high: nll, nll>K, llr>K, kl, kl/LEVEL, typicality, complexity, "
    by += "regret [any of a few that leaves its normal range, on either side]"
    made.add_argument("--by", default="", metavar="SCORE", help=by)
    share = "share of normal data that is called normal, by all scores that decide together"
    quantile = real(Bound(above=0, below=1, expected="a quantile between 0 and 1"))
    made.add_argument("--quantile", "--accept", type=quantile, default=0.95, metavar="Q", help=share)
    made.add_argument(
        "--samples", type=whole(1, 10**6), default=1, metavar="K", help="1: the ELBO; more: the IW-K bound"
    )
    normal = "training data that say what is usual, and validation data that set the threshold (at most)"
    made.add_argument("--normal", type=whole(1), default=1000, metavar="N", help=normal)
    number = "only so many images, at random (0: all)"
    made.add_argument("-n", "--number", type=whole(0), default=0, metavar="N", help=number)
    _add_comparisons(made)
    made.add_argument(
        "--maps", type=whole(0, 10_000), default=0, metavar="N", help="draw where the N most foreign images are so"
    )
    made.add_argument("-o", "--out", default="", metavar="FILE", help="the .csv to write [RUN/scores-X.csv]")
    made.add_argument("--seed", type=SEED, default=0, metavar="S", help="seed of every draw")
    return made


def _add_comparisons(made: Parser) -> None:
    known = "X is known to be foreign: also tell how well each score separates it from the run's test data"
    made.add_argument("--foreign", action="store_true", help=known)
    other = "a run that was trained on X: also the other direction of the pair, the test data of RUN before RUN2"
    made.add_argument("--reverse", default="", metavar="RUN2", help=other)
    dear = "also the likelihood regret after so many gradient steps of each image, as 100; dear: about STEPS times "
    dear += "what the other scores cost, bounded by -n and --normal (0: not)"
    made.add_argument("--regret", type=whole(0, 10**6), default=0, metavar="STEPS", help=dear)


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice = Voice(args.json)
    with voice.working():
        told, shown = _scored(args, dotted, voice)
    voice.answer(told)
    if not args.json:
        for part in shown:
            voice.show(part)


def _scored(args: Namespace, dotted: Mapping[str, str], voice: Voice) -> tuple[dict[str, Any], list[Any]]:
    from hvae.cli.scoring.shown import shown

    pair, other, path = _ready(args, dotted, voice)
    for line in [*pair.warnings(), *(f"the reverse: {one}" for one in (other.warnings() if other else []))]:
        voice.tell(line)
    told = {**_decided(pair, path), "reverse": {"run": args.reverse, **other.told()} if other else None}
    return told, shown(told)


def _ready(args: Namespace, dotted: Mapping[str, str], voice: Voice) -> tuple[Pair, Pair | None, Path]:
    """Everything that can be wrong is found here, before anything takes time."""
    from hvae.cli.scoring import checks
    from hvae.cli.scoring.judge import Judge
    from hvae.cli.scoring.pair import pair, reverse
    from hvae.runs.subject import open_run

    checks.words(args)
    subject = open_run(args.run, dotted, voice.tell)
    checks.pictured(args.maps, subject)
    judge = Judge(args, subject, voice)
    path = Path(args.out) if args.out else subject.run.folder / f"scores-{Path(args.data).stem}.csv"
    checks.writable(path)
    other = _other(judge, dotted) if args.reverse else None
    return pair(judge, args.data), reverse(other, judge) if other else None, path


def _other(judge: Judge, dotted: Mapping[str, str]) -> Judge:
    """The model of the reverse pair."""
    from hvae.cli.scoring import checks
    from hvae.runs.subject import open_run

    # The place of the one run's files is not that of the other's.
    shared = {key: value for key, value in dotted.items() if key != "data.path"}
    subject = open_run(judge.args.reverse, shared, judge.voice.tell)
    checks.other_data(judge.args.data, subject)
    return replace(judge, subject=subject)


def _decided(pair: Pair, path: Path) -> dict[str, Any]:
    """The decisions on the images, written to their file, and all that is told of them."""
    from hvae.cli.scoring.shown import ranges, rows
    from hvae.files import write_text

    judge, args = pair.judge, pair.judge.args
    score, reasons = pair.found[judge.by], judge.reasons(pair.found)
    write_text(path, rows(pair.found, reasons, pair.files()))
    return {
        "csv": str(path),
        "rows": len(reasons),
        "threshold": judge.limit,
        "quantile": args.quantile,
        "foreign": len(reasons) - reasons.count(""),
        "positive": POSITIVE,
        "bound": "ELBO" if args.samples == 1 else f"IW-{args.samples}",
        "regret_steps": args.regret,
        **pair.told(),
        "ranges": ranges(judge.ranges, pair.found),
        "maps": judge.maps(pair.split, score, path) if args.maps else None,
    }
