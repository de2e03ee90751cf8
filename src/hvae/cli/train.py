"""hvae train: data, model, training, evaluation and report, end to end."""

from __future__ import annotations

from math import inf

from hvae.cli.evaluation.shown import summary
from hvae.cli.parser import Parser, add_keys, split_dotted, wants_help
from hvae.cli.rehearsal import rehearse, show_config
from hvae.cli.trusting import trusted
from hvae.cli.voice import Voice
from hvae.runs.source import resolve, shown_for_help
from hvae.screen.text import for_screen

DEFAULT = "digits"
ABOUT = (
    "Train a model on images, measure it, and write a report with pictures. Everything lands in one folder: "
    "config.yaml, model.safetensors, metrics.csv, evaluation.json, report.html. Any key of the configuration can be "
    "given as an option; the keys below are those of the named preset or file."
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
    command.add_argument("--dry-run", action="store_true", help="check what can be checked at once, and tell the plan")
    command.add_argument("--print-config", action="store_true", help="print the complete configuration (YAML), no more")
    accept = "go on though the images are not those of before; every later number says so"
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
        return show_config(resolve(args.source or DEFAULT, dotted), Voice(args.json))
    from hvae.cli.report import measured_for
    from hvae.cli.report import write as write_report
    from hvae.runs import MEASURING, TRAINING, claiming
    from hvae.runs.provenance import course
    from hvae.runs.subject import open_run
    from hvae.study.evaluate import check_wanted, measure_all
    from hvae.study.fitting import fitted
    from hvae.study.planning import plan, refuse_used
    from hvae.training import first_process

    trust, words = trusted(args, dotted), (args.source, args.out, args.resume, dotted)
    with Voice(args.json).working():
        job = plan(*words, accepts_changes=args.accept_changed_data)
        is_first = first_process(job.config.train)
    voice = Voice(args.json, quiet=not is_first)
    if args.dry_run:
        return rehearse(job.config, job.folder, job.resume, voice)
    with voice.working():
        if not is_first:
            fitted(job, voice.tell, None)
            return
        with claiming(job.folder, TRAINING, tell=voice.tell) as training:
            # Once more: until now another process might have written here.
            job = plan(*words, accepts_changes=args.accept_changed_data)
            check_wanted(job.config.evaluate, trust)
            refuse_used(job)
            result = fitted(job, voice.tell, training)
            if result.stopped == "interrupt":
                raise KeyboardInterrupt(f"at step {result.step}; go on with: hvae train {job.folder} --resume")
            with claiming(job.folder, MEASURING, patience=inf, tell=voice.tell) as measuring:
                subject = open_run(job.folder, {}, voice.tell, trust)
                evaluation = measure_all(measured_for(subject), voice, voice.tell, measuring)
                page = write_report(subject, evaluation, voice, measuring)
    numbers = {"training": course(result), "evaluation": evaluation.to_dict()}
    voice.answer({"run": str(job.folder), "report": str(page), **numbers})
    if not args.json:
        voice.show(summary(evaluation))
        voice.show(f"report: {for_screen(page)}")
