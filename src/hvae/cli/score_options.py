"""The options of hvae score."""

from __future__ import annotations

from argparse import ArgumentTypeError

from hvae.cli.backends import add_backend
from hvae.cli.context import add_context
from hvae.cli.parser import SEED, Parser, real, whole
from hvae.config.bounds import Bound
from hvae.errors import short

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
    number = "only N of them, at random (0: all)"
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
    add_backend(command)
    add_context(command)
    return command


def _add_comparisons(command: Parser) -> None:
    pair = "X is known to be out-of-distribution: also how well each score separates it from the run's test data"
    command.add_argument("--foreign", action="store_true", help=pair)
    other = "a run that was trained on X: also the other direction of the pair, the test data of RUN before RUN2"
    command.add_argument("--reverse", default="", metavar="RUN2", help=other)
    dear = "also the likelihood regret, by STEPS gradient steps for each image, as 100; slow: about STEPS times the "
    dear += "time of the other scores; -n and --normal bound it (0: none)"
    command.add_argument("--regret", type=whole(0, 10**6), default=0, metavar="STEPS", help=dear)


def _add_tiles(command: Parser) -> None:
    tile = "X is one picture of any size (a picture file, or an .npy of uint8 or uint16): maps of where it is unusual, "
    tile += "level by level, without seams, and a row for each of its overlapping tiles"
    command.add_argument("--tile", action="store_true", help=tile)
    reduced = "of --tile: by how much the picture is reduced, each with maps of its own, as 1,2,4 [1]"
    command.add_argument("--magnifications", type=_whole_numbers, metavar="K,K", help=reduced)


def _whole_numbers(text: str) -> tuple[int, ...]:
    if not all(word.strip().isdecimal() for word in text.split(",")):
        raise ArgumentTypeError(f"expected whole numbers with commas between, as 1,2,4, got {short(text)}")
    return tuple(whole(1)(word) for word in text.split(","))
