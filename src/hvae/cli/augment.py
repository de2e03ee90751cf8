"""hvae augment: labelled pictures for a classifier."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from hvae.cli.parser import SEED, Parser, add_levels, whole
from hvae.cli.sample import temperatures
from hvae.cli.voice import Voice, table
from hvae.cli.words import level_words, split_dotted
from hvae.screen.numbers import counted, share
from hvae.study.augment import BALANCE

if TYPE_CHECKING:
    from hvae.metrics.gain import GainResult
    from hvae.metrics.results import Estimate

ABOUT = (
    "Draw labelled pictures from a class-conditional model into a folder for each class, without near copies of its "
    "training data; and measure what they do: --judge trains the same small classifier with and without them and gives "
    "its balanced accuracy on the test data, with an interval over seeds."
)
EXAMPLES = (
    "hvae augment runs/flowers --per-class 200 --out more",
    "hvae augment runs/flowers --per-class 200 --levels z4,z3 --judge",
)
USAGE = "RUN [--per-class N] [--levels L] [-t T] [--temperature.LEVEL T] [--pixels] [--out FOLDER] "
USAGE += "[--judge] [--look places|anywhere] [--seeds S] [--seed S]"


HEAT = "temperature."


def parser() -> Parser:
    command = Parser("augment", ABOUT, EXAMPLES, USAGE)
    command.add_argument("run", metavar="RUN", help="a run folder, or a .safetensors file")
    counts = "pictures of each class; balance: what each lacks to the largest class of the training data"
    command.add_argument("--per-class", type=_count, default=200, metavar="N", help=counts)
    add_levels(command, "levels that are taken from training pictures of the class [none: all from the prior]")
    temperature = "of the other levels; by level: --temperature.z1 0.7, or z3=0.7,z1=0.9"
    command.add_argument("-t", "--temperature", default="1.0", metavar="T", help=temperature)
    command.add_argument("--pixels", action="store_true", help="draw the pixels too, instead of their means")
    command.add_argument("-o", "--out", metavar="FOLDER", help="a new folder, one sub-folder a class")
    command.add_argument("--judge", action="store_true", help="train a classifier with and without the pictures")
    look = "what it looks at: places, for what lies where; anywhere, for a small finding in any place [places]"
    command.add_argument("--look", default="places", metavar="places|anywhere", help=look)
    command.add_argument("--seeds", type=whole(2, 100), default=5, metavar="S", help="seeds of the classifier")
    command.add_argument("--seed", type=SEED, default=0, metavar="S", help="seed of the pictures")
    return command


def _count(text: str) -> int | str:
    if text != BALANCE and not text[:1].isdecimal():
        raise ArgumentTypeError(f"expected a whole number or {BALANCE}, got {text}")
    return text if text == BALANCE else whole(1, 10**6)(text)


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice = Voice(args.json)
    from hvae.study.augment import augment

    heat = {key: value for key, value in dotted.items() if key.startswith(HEAT)}

    with voice.working():
        augmentation = augment(
            *(args.run, args.out),
            per_class=args.per_class,
            levels=level_words(args.levels),
            temperature=temperatures(args.temperature, heat),
            pixels=args.pixels,
            judge=args.judge,
            look=args.look,
            seeds=args.seeds,
            seed=args.seed,
            overrides={key: value for key, value in dotted.items() if key not in heat},
            trust=args.trust,
            progress=voice,
        )
    voice.answer({**augmentation.to_dict(), "out": args.out})
    if args.json:
        return
    place = f", in {args.out}" if args.out else ""
    voice.show(
        f"{counted(len(augmentation.labels), 'picture')} of {counted(len(augmentation.titles), 'class')}{place}; "
        f"{augmentation.copies:,} near copies of training data left out"
    )
    wished = zip(augmentation.counts.items(), augmentation.wish.counts, strict=True)
    if short := [title for (title, count), wish in wished if count < wish]:
        voice.tell(f"fewer than were asked for of {', '.join(short)}: the rest were near copies")
    if augmentation.gain:
        _show_gain(augmentation.gain, voice)


def _show_gain(gain: GainResult, voice: Voice) -> None:
    result = table("classifier trained on", "pictures", "balanced accuracy, 95 % over seeds")
    result.add_row("the training data", f"{gain.data:,}", _interval(gain.without))
    result.add_row("both", f"{gain.data + gain.synthetic:,}", _interval(gain.with_synthetic))
    result.add_row("difference, paired", "", _interval(gain.difference))
    voice.show(result)
    recalls = table("class", "recall without", "recall with")
    for title, (without, both) in gain.by_class.items():
        recalls.add_row(title, share(without, 1), share(both, 1))
    voice.show(recalls)
    voice.show(
        f"{counted(gain.seeds, 'seed')}, {counted(gain.steps, 'step')} each, {counted(gain.tested_on, 'test picture')}"
    )


def _interval(value: Estimate) -> str:
    return f"{share(value.mean, 1)} [{share(value.low95, 1)}, {share(value.high95, 1)}]"
