"""hvae evaluate: the numbers of a trained model."""

from __future__ import annotations

import textwrap
from argparse import Namespace
from pathlib import Path
from typing import Any

from hvae.cli.backends import add_backend
from hvae.cli.evaluation.shown import summary
from hvae.cli.keys import add_keys
from hvae.cli.parser import Parser
from hvae.cli.voice import Voice, table
from hvae.cli.words import screen_width, split_dotted, wants_help
from hvae.config.measures import measures
from hvae.errors import HvaeError
from hvae.runs.source import shown_for_help
from hvae.study.backends import PLAIN

NAME = "evaluation.json"
ABOUT = (
    "Measure a trained model on data it was not trained on: the ELBO, the importance-weighted bound, what each level "
    "spends, says of the data and adds to a reconstruction, and whether the top level decides what an image is; on "
    "request how well levels know classes and factors, and how good samples are. Writes RUN/evaluation.json; an "
    "interrupted evaluation goes on where it stopped."
)
EXAMPLES = (
    "hvae evaluate runs/digits",
    "hvae evaluate runs/digits --evaluate.samples 1000 --evaluate.limit 500",
    "hvae evaluate runs/digits --evaluate.measures quick,classes,quality",
    "hvae evaluate runs/sprites --evaluate.measures disentanglement --evaluate.factors sprites.npz",
    "hvae evaluate runs/vdvae-cifar10-seed1 --evaluate.protocol vdvae",
    "hvae evaluate runs/grown --on old.npz new.npz",
)


def parser(argv: list[str], command: str = "evaluate", about: str = ABOUT, examples: Any = EXAMPLES) -> Parser:
    words = Parser(command, about, examples, "RUN [--on DATA ... [--before RUN]] [--KEY VALUE ...]")
    words.add_argument("run", metavar="RUN", help="a run folder that hvae train has written")
    on = "the ELBO of these data alone, beside what the run that this one grew from gives: what was forgotten"
    words.add_argument("--on", nargs="+", metavar="DATA", help=on)
    add_backend(words)
    words.add_argument("--before", metavar="RUN", help="the earlier run of --on [the one it began with]")
    if wants_help(argv):
        add_keys(words, {"evaluate": shown_for_help(argv).evaluate})
        _add_measures(words)
        words.add_argument("--data.root", metavar="FOLDER", help="where known data sets lie now, if they have moved")
    return words


def _add_measures(words: Parser) -> None:
    """A line about each measure in the help."""
    for cost, when in (("quick", "taken unless others are named"), ("costly", "taken when named, or with all")):
        lines = [f"{one.name:<18}{one.about}" for one in measures().values() if one.cost == cost]
        entries = (textwrap.fill(line, screen_width() - 2, subsequent_indent=" " * 18) for line in lines)
        words.add_argument_group(f"{cost} measures, {when}", "\n".join(entries))


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser(rest).parse_args(rest)
    voice = Voice(args.json)
    if args.on or args.before:
        return _forgetting(args, dotted, voice)
    with voice.working():
        from hvae.study.evaluate import evaluate

        evaluation = evaluate(
            args.run, overrides=dotted, trust=args.trust, progress=voice, tell=voice.tell, backend=args.backend
        )
    voice.answer(evaluation.to_dict())
    if not args.json:
        voice.show(summary(evaluation))
        folder = Path(args.run)
        voice.show(f"written to {(folder if folder.is_dir() else folder.parent) / NAME}")


def _forgetting(args: Namespace, dotted: dict[str, str], voice: Voice) -> None:
    """The bounds of some sets of data, before and after."""
    if args.backend != PLAIN:
        raise HvaeError("--backend is not for --on and --before; leave one of them out")
    if not args.on:
        raise HvaeError("--before is for --on: name the data, as in --on old.npz new.npz")
    with voice.working():
        from hvae.study.forgetting import forgetting

        changes = forgetting(args.run, args.on, before=args.before, overrides=dotted, progress=voice, tell=voice.tell)
    voice.answer(changes.to_dict())
    if args.json:
        return
    rows = table("data", "number", "ELBO before, nats ± 95 %", "after ± 95 %", "change ± 95 %, paired")
    for one in changes.sets:
        rest = ("", str(one.after), "") if one.before is None else (str(one.before), str(one.after), str(one.change))
        rows.add_row(one.data, f"{one.number:,}", *rest)
    voice.show(rows)
    voice.show(f"before: {changes.earlier}" if changes.earlier else "no earlier run is known; name one with --before")
