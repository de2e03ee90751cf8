"""hvae report: one page that shows what a model has learnt."""

from __future__ import annotations

from hvae.cli.evaluate import parser
from hvae.cli.voice import Voice
from hvae.cli.words import split_dotted
from hvae.screen.text import for_screen

ABOUT = (
    "Write RUN/report.html again: samples, reconstructions, what each level does, and a verdict, in one file that "
    "opens without a network. Numbers come from RUN/evaluation.json, or are measured first if there is none."
)
EXAMPLES = ("hvae report runs/digits",)


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser(rest, "report", ABOUT, EXAMPLES).parse_args(rest)
    voice = Voice(args.json)
    with voice.working():
        from hvae.study.report import report

        path = report(args.run, overrides=dotted, trust=args.trust, progress=voice, tell=voice.tell)
    voice.answer({"report": str(path)})
    if not args.json:
        voice.show(f"report: {for_screen(path)}")
