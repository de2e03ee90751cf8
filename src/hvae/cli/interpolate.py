"""hvae interpolate: what lies on the way from one image, or sequence, to another."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hvae.cli.context import add_context, contexts
from hvae.cli.parser import SEED, Parser, whole
from hvae.cli.sample import temperatures
from hvae.cli.voice import Voice
from hvae.cli.words import level_words, split_dotted
from hvae.screen.numbers import counted

if TYPE_CHECKING:
    from hvae.study.sequence_ways import SequenceWays
    from hvae.study.ways import Ways

ABOUT = (
    "Draw the path from one image to another through the latents of a model: a PNG sheet with one row a pair (the "
    "first image and the second, the third and the fourth, ...) and the images themselves at both ends; or, with a "
    "name that ends in .npy, the points as numbers. Levels that are not interpolated follow from those above them at "
    "each point. From a run of a table or of sequences: those on the way, pair after pair, in a file of their kind; "
    "the lengths of sequences go the way too."
)
EXAMPLES = (
    "hvae interpolate runs/digits --data test --out way.png",
    "hvae interpolate runs/photos --data ~/faces --out way.png --pairs 2 --steps 12 --levels z3,z2 --path spherical",
    "hvae interpolate runs/text-vrae --data test --out way.txt --pairs 2",
)
USAGE = "RUN --data X --out FILE.png [--pairs N] [--steps T] [--levels L] [--path P] [-t T] [--mode] [--seed S]"
HEAT = "temperature."


def parser() -> Parser:
    command = Parser("interpolate", ABOUT, EXAMPLES, USAGE)
    command.add_argument("run", metavar="RUN", help="a run folder, or a .safetensors file")
    source = "test, valid or train for the run's own data; a folder of images; an .npy, .npz or IDX file; "
    source += "hub:OWNER/NAME, a data set of the Hugging Face hub"
    command.add_argument("--data", required=True, metavar="X", help=source)
    command.add_argument(
        "-o",
        "--out",
        required=True,
        metavar="FILE",
        help=".png or .npy; tables: .csv, .parquet; sequences: .npz, .wav ...",
    )
    pairs = "pairs of images: evenly over a split, or the first of your own"
    command.add_argument("--pairs", type=whole(1, 10**6), default=4, metavar="N", help=pairs)
    command.add_argument(
        "--steps", type=whole(2, 10**6), default=8, metavar="T", help="points of a path, the two ends included"
    )
    levels = "the levels that are interpolated, z3,z2 or z3 z2 [all of them]"
    command.add_argument("--levels", nargs="+", default=[], metavar="L", help=levels)
    path = "linear, or spherical: for latents whose prior is a standard normal, no point is nearer to 0 than the ends"
    command.add_argument("--path", default="linear", metavar="P", help=path)
    temperature = (
        "of the levels that are not interpolated; by level: --temperature.z1 0.7 [0: the most probable values]"
    )
    command.add_argument("-t", "--temperature", default="", metavar="T", help=temperature)
    command.add_argument(
        "--mode", action="store_true", help="the modes of the posteriors at the ends, instead of samples"
    )
    command.add_argument("--seed", type=SEED, default=0, metavar="S", help="seed of the draws")
    add_context(command)
    return command


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice = Voice(args.json)
    with voice.working():
        ways = _drawn(args, dotted, voice)
    for line in ways.notes:
        voice.tell(line)
    voice.answer(ways.to_dict())
    if not args.json:
        way = f"{args.path} at {', '.join(ways.levels)}"
        voice.show(f"{counted(args.pairs, 'pair')}, {counted(args.steps, 'point')} each ({way}), in {args.out}")


def _drawn(args: Namespace, dotted: Mapping[str, str], voice: Voice) -> Ways | SequenceWays:
    from hvae.study.ways import draw_ways

    heat = {key: value for key, value in dotted.items() if key.startswith(HEAT)}
    by_level = temperatures(args.temperature or "1", heat)
    return draw_ways(
        *(args.run, args.data, args.out),
        pairs=args.pairs,
        steps=args.steps,
        levels=level_words(args.levels),
        path=args.path,
        # Levels of which nothing is said are at their most probable values.
        temperature=by_level if args.temperature else {name: t for name, t in by_level.items() if name},
        mode=args.mode,
        seed=args.seed,
        context=contexts(args.context),
        overrides={key: value for key, value in dotted.items() if key not in heat},
        trust=args.trust,
        progress=voice,
    )
