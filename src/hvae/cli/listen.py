"""hvae listen: a page on which people judge sounds, and what their scores say."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.cli.parser import SEED, Parser, whole
from hvae.cli.voice import Voice, table
from hvae.errors import HvaeError
from hvae.files import expanded, write_text
from hvae.screen.numbers import counted, share
from hvae.screen.text import for_screen

if TYPE_CHECKING:
    from hvae.study.listening.opinions import Opinion, Opinions

ABOUT = (
    "Make a page on which people judge sounds beside a reference by the MUSHRA method (ITU-R BS.1534-3): one HTML file "
    "that asks no network, with a hidden reference, anchors low-passed at 3.5 and 7 kHz, and orders of each listener's "
    "own. Systems are runs of sound, and beside a reference folders of sounds with equal names, whose sounds the runs "
    "hear then. Each listener saves a table; --evaluate reads them: means and medians, without those who do not hear "
    "the reference."
)
EXAMPLES = (
    "hvae listen runs/speech-rqvae --top 2,4,8 -n 10 --out listen.html",
    "hvae listen mine=sounds/mine opus=sounds/opus --reference sounds/original",
    "hvae listen runs/speech-rqvae opus=sounds/opus --reference sounds/original",
    "hvae listen --evaluate listening-*.csv",
)
USAGE = "[NAME=]SYSTEM ... [--reference FOLDER] [--top K,K] [-n N] [--out FILE] | --evaluate CSV CSV ..."


def parser() -> Parser:
    result = Parser("listen", ABOUT, EXAMPLES, USAGE)
    system = "a run of sound, or with --reference a folder of sounds; its last part is the name unless one is given"
    result.add_argument("systems", nargs="*", metavar="[NAME=]SYSTEM", help=system)
    reference = (
        "a folder of the sounds as they should be, which runs hear; those of folders have the same names and lengths"
    )
    result.add_argument("--reference", metavar="FOLDER", help=reference)
    data = "sounds that runs hear: test, valid, train, or a file or folder [test]"
    result.add_argument("--data", default="", metavar="X", help=data)
    top = "of runs: judge what the top K levels keep, or codebooks, as 1,2,4: a system for each K [all levels]"
    result.add_argument("--top", type=_numbers, default=(), metavar="K,K", help=top)
    number = "of runs: so many sounds, at even distances through the data [8]"
    result.add_argument("-n", "--number", type=whole(1, 1000), default=None, metavar="N", help=number)
    result.add_argument("--seed", type=SEED, default=0, metavar="S", help="seed of draws and orders")
    out = "the page to write [listen.html]; with --evaluate the .json file to write [none]"
    result.add_argument("-o", "--out", default="", metavar="FILE", help=out)
    results = "tables that listeners saved, all of one test"
    result.add_argument("--evaluate", nargs="+", default=[], metavar="CSV", help=results)
    return result


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(whole(1, 1000)(word) for word in text.split(","))


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    voice = Voice(args.json)
    if args.evaluate:
        _evaluate(args, voice)
    else:
        _write(args, voice)


def _write(args: Namespace, voice: Voice) -> None:
    from hvae.study.listen import listen

    if args.reference is not None and (args.data or args.number):
        raise HvaeError("--data and --number say what runs hear, which is all of --reference; leave them out")
    with voice.working():
        test = listen(
            _named(args.systems),
            out=args.out or "listen.html",
            reference=args.reference,
            data=args.data or "test",
            number=args.number or 8,
            top=args.top,
            seed=args.seed,
            trust=args.trust,
            progress=voice,
        )
    for line in test.notes:
        voice.tell(line)
    voice.answer(test.to_dict())
    if not args.json:
        many = f"{counted(len(test.trials.trials), 'trial')} of {counted(len(test.trials.conditions), 'sound')}"
        voice.show(f"{many} ({', '.join(test.trials.conditions)}), test {test.trials.fingerprint}")
        voice.show(f"page: {for_screen(test.page)}; give it to your listeners, and evaluate the tables that they save")


def _named(words: list[str]) -> dict[str, str]:
    """Systems by name.  Raises HvaeError for two of one name."""
    systems: dict[str, str] = {}
    for word in words:
        name, equals, place = ("", "", word) if expanded(word).exists() else word.partition("=")
        key = name if equals else Path(word).name
        if key in systems:
            raise HvaeError(f"expected different names of systems, got {key!r} twice; name them, as in mine=FOLDER")
        systems[key] = place if equals else word
    return systems


def _evaluate(args: Namespace, voice: Voice) -> None:
    from hvae.study.listen import opinions

    if args.systems or args.reference is not None or args.top or args.data or args.number:
        raise HvaeError("--evaluate reads tables of results alone; leave out systems and their options")
    if args.out and not args.out.endswith(".json"):
        raise HvaeError(f"--out: expected the name of a file that ends in .json, got {args.out}")
    result = opinions(args.evaluate)
    if args.out:
        write_text(args.out, json.dumps(result.to_dict(), indent=2) + "\n")
    voice.answer(result.to_dict())
    if not args.json:
        voice.show(shown(result))
        voice.show(screening(result))


def shown(result: Opinions) -> Any:
    """The table of one test."""
    title = f"{counted(len(result.listeners), 'listener')}, {counted(result.items, 'item')}, test {result.test}"
    lines = table("condition", "mean", "95 %", "median", "quartiles", "", title=title)
    for one in result.conditions:
        quartiles = f"{one.quartile1:.1f} to {one.quartile3:.1f}"
        lines.add_row(one.condition, f"{one.mean:.1f}", _interval(one), f"{one.median:.1f}", quartiles, one.label)
    return lines


def _interval(one: Opinion) -> str:
    return "" if one.low95 is None or one.high95 is None else f"[{one.low95:.1f}, {one.high95:.1f}]"


def screening(result: Opinions) -> str:
    """Who was left out, and what the intervals are of."""
    interval = "intervals of the mean are those of the choice of listeners (Student's t)"
    if not result.excluded:
        return f"nobody was left out; {interval}"
    names = ", ".join(f"{name} ({share(missed)} of the items)" for name, missed in result.excluded.items())
    return f"left out, for they rate the hidden reference below 90 in more than 15 % of the items: {names}; {interval}"
