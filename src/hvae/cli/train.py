"""hvae train: data, model, training, evaluation and report, end to end."""

from __future__ import annotations

from hvae.cli.evaluation.shown import summary
from hvae.cli.keys import add_keys
from hvae.cli.parser import Parser
from hvae.cli.rehearsal import rehearse, show_config
from hvae.cli.voice import Voice
from hvae.cli.words import split_dotted, wants_help
from hvae.runs.source import outlined, shown_for_help
from hvae.screen.text import for_screen

DEFAULT = "digits"
ABOUT = (
    "Train a model on images or sequences, measure it, and write a report with pictures. Everything lands in one "
    "folder: config.yaml, model.safetensors, metrics.csv, evaluation.json, report.html. Any key of the configuration "
    "can be given as an option; the keys below are those of the named preset or file."
)
EXAMPLES = (
    "hvae train digits",
    "hvae train mnist-static-lvae --data.root ~/datasets --model.latents 32,16,8 --model.widths 512,256,128",
    "hvae train folder --data.path ~/photos --train.minutes 60 --out runs/photos",
    "hvae train runs/photos --resume",
)


def parser(argv: list[str]) -> Parser:
    command = Parser("train", ABOUT, EXAMPLES, "[PRESET|CONFIG] [--out FOLDER] [--resume] [--KEY VALUE ...]")
    source = "a preset (hvae models lists them), a YAML file, or a run folder"
    command.add_argument("source", nargs="?", metavar="PRESET|CONFIG", help=f"{source} [{DEFAULT}]")
    command.add_argument("-o", "--out", default="", metavar="FOLDER", help="the run folder to write [runs/NAME]")
    command.add_argument("--resume", action="store_true", help="go on with the run in that folder where it stopped")
    command.add_argument(
        "--dry-run",
        action="store_true",
        help="check what can be checked at once and print the plan; nothing is written",
    )
    command.add_argument("--print-config", action="store_true", help="print the complete configuration (YAML) and stop")
    accept = "go on although the images have changed; every later number says so"
    command.add_argument("--accept-changed-data", action="store_true", help=accept)
    if wants_help(argv):
        config = shown_for_help(argv)
        family = f"the kind of model; hvae models lists them [{config.model.family}]"
        command.add_argument("--model.family", metavar="FAMILY", help=family)
        add_keys(command, {name: getattr(config, name) for name in ("model", "data", "objective", "train", "evaluate")})
    return command


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser(rest).parse_args(rest)
    if args.print_config:
        return show_config(outlined(args.source or DEFAULT, dotted), Voice(args.json))
    from hvae.study.planning import plan

    with Voice(args.json).working():
        # What is wrong with the words is said before torch is loaded.
        job = plan(args.source, args.out, args.resume, dotted, accepts_changes=args.accept_changed_data)
        from hvae.study.train import train
        from hvae.training import first_process

        voice = Voice(args.json, quiet=not first_process(job.config.train))
    if args.dry_run:
        return rehearse(job.config, job.folder, job.resume, voice)
    with voice.working():
        run = train(
            args.source,
            out=args.out,
            resume=args.resume,
            overrides=dotted,
            accept_changed_data=args.accept_changed_data,
            trust=args.trust,
            progress=voice,
            tell=voice.tell,
        )
    if run.evaluation is None:
        return
    voice.answer(run.to_dict())
    if not args.json:
        voice.show(summary(run.evaluation))
        voice.show(f"report: {for_screen(run.report)}")
