"""hvae train: data, model, training, evaluation and report, end to end."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.cli.beforehand import check_measures, check_space
from hvae.cli.building import trainable
from hvae.cli.evaluation.shown import summary
from hvae.cli.levels import check_held, check_levels
from hvae.cli.parser import Parser, add_keys, split_dotted, wants_help
from hvae.cli.rehearsal import rehearse, show_config
from hvae.cli.report import measured_for
from hvae.cli.report import write as write_report
from hvae.cli.trusting import trusted
from hvae.cli.voice import Voice
from hvae.cli.watch import watching
from hvae.config.presets import PRESETS
from hvae.config.run import RunConfig
from hvae.errors import HvaeError
from hvae.runs import MEASURING, TRAINING, Claim, claiming, is_unused, refuse_changes, split_changes
from hvae.runs.provenance import NAME as PROVENANCE
from hvae.runs.provenance import begin, course, earlier_parts, finish, write_json
from hvae.runs.source import CONFIG, resolve, shown_for_help, stored
from hvae.runs.subject import Subject, open_run
from hvae.study.places import check_place

if TYPE_CHECKING:
    from hvae.training import FitResult

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
    made = Parser("train", ABOUT, EXAMPLES, "[PRESET|CONFIG] [--out FOLDER] [--resume] [--KEY VALUE ...]")
    source = "a preset (hvae models lists them), a YAML file, or a run folder"
    made.add_argument("source", nargs="?", metavar="PRESET|CONFIG", help=f"{source} [{DEFAULT}]")
    made.add_argument("-o", "--out", default="", metavar="FOLDER", help="the run folder to write [runs/NAME]")
    made.add_argument("--resume", action="store_true", help="go on with the run in that folder where it stopped")
    made.add_argument("--dry-run", action="store_true", help="check what can be checked at once, and tell the plan")
    made.add_argument("--print-config", action="store_true", help="print the complete configuration (YAML), no more")
    accept = "go on though the images are not those of before; every later number says so"
    made.add_argument("--accept-changed-data", action="store_true", help=accept)
    if wants_help(argv):
        config = shown_for_help(argv)
        family = f"the kind of model; hvae models lists them [{config.model.family}]"
        made.add_argument("--model.family", metavar="FAMILY", help=family)
        add_keys(made, {name: getattr(config, name) for name in ("model", "data", "objective", "train", "evaluate")})
    return made


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser(rest).parse_args(rest)
    trust = trusted(args, dotted)
    if args.print_config:
        return show_config(resolve(args.source or DEFAULT, dotted), Voice(args.json))
    with Voice(args.json).working():
        job = plan(args, dotted)
        first = leads(job)
    voice = Voice(args.json, quiet=not first)
    if args.dry_run:
        return rehearse(job.config, job.folder, job.resume, voice)
    with voice.working():
        from hvae.study.evaluate import measure_all
        from hvae.study.network import check_source

        if not first:
            fitted(plan(args, dotted), voice, None)
            return
        with claiming(_folder(args), TRAINING, tell=voice.tell) as training:
            # Once more: until now another process might have written here.
            job = plan(args, dotted)
            check_source(job.config.evaluate, trust)
            refuse_used(job)
            result = fitted(job, voice, training)
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
        voice.show(f"report: {page}")


@dataclass(frozen=True)
class Job:
    """What is trained, and where it goes."""

    config: RunConfig
    folder: Path
    resume: bool
    accepts_changes: bool = False
    """Whether a resumed run goes on though its images are others."""


def plan(args: Namespace, overrides: Mapping[str, str]) -> Job:
    """What the words of the command mean."""
    folder = _folder(args)
    check_place(folder)
    if args.resume and os.path.isfile(folder / CONFIG):
        _resumable(folder)
        return Job(_continued(args.source, folder, overrides), folder, True, args.accept_changed_data)
    if args.resume and args.source is None:
        raise HvaeError(f"nothing to resume in {folder}; name the run folder, as in: hvae train runs/NAME --resume")
    return Job(resolve(args.source or DEFAULT, overrides), folder, False)


def leads(job: Job) -> bool:
    """Whether this process writes the files of the run.  Raises HvaeError for devices or loggers that are not here."""
    from hvae.training import first_process

    return first_process(job.config.train)


def refuse_used(job: Job) -> None:
    """Raises HvaeError rather than write over an earlier run."""
    if not job.resume and not is_unused(job.folder):
        raise HvaeError(f"{job.folder} already exists; go on with it by --resume, or name another folder with --out")


def _resumable(folder: Path) -> None:
    """Raises HvaeError for weights without the state of their training: starting anew would write over them."""
    from hvae.training.saving import LAST, WEIGHTS

    if (folder / WEIGHTS).is_file() and not (folder / LAST).is_file():
        raise HvaeError(f"{folder} holds weights but no {LAST} to resume from (imported?); train into another folder")


def _folder(args: Namespace) -> Path:
    if args.out:
        return Path(args.out)
    source = args.source or DEFAULT
    if source not in PRESETS and os.path.isdir(source):
        return Path(source)
    return Path("runs") / Path(source).stem


def _continued(source: str | None, folder: Path, overrides: Mapping[str, str]) -> RunConfig:
    """The configuration of a run that goes on: its own, with what may still change."""
    own = stored(folder)
    config = own.override(overrides)
    _same(own, config, folder)
    if source is not None and Path(source) != folder:
        _same(own, resolve(source, overrides), folder)
    return config


def _same(own: RunConfig, other: RunConfig, folder: Path) -> None:
    """Raises HvaeError where another model or other data are asked for; data may have moved."""
    for section in ("model", "data"):
        mine, theirs = own.to_dict()[section], other.to_dict()[section]
        for key in dict.fromkeys([*mine, *theirs]):
            was, now = mine.get(key), theirs.get(key)
            if was != now and key not in ("root", "path", "download"):
                raise HvaeError(f"{folder} has {section}.{key} {was}, not {now}; a resumed run keeps it: use --out")


def fitted(job: Job, voice: Voice, claim: Claim | None) -> FitResult:
    """Load, build and fit; the folder holds the weights afterwards.  Only the process with the claim writes."""
    import torch

    from hvae.checkpoints import LoadedRun, describe
    from hvae.data import load
    from hvae.objectives import build as objective
    from hvae.study.warm_up import warm_up_warning
    from hvae.training import fit, over_processes

    config = job.config
    data = load(config.data)
    torch.manual_seed(config.train.seed)
    model = trainable(config, data.shape, data.bits)
    check_levels(config.objective, model)
    check_held(config.evaluate, model)
    size = sum(p.numel() for p in model.parameters())
    earlier, description = earlier_parts(job.folder), describe(config, data.shape, data.bits, data.provenance.to_dict())
    description["data_changes"] = changes_of_data(job, earlier, description["data"])
    record = begin(earlier, description, config.train.seed, size)
    if claim:
        check_measures(Subject(LoadedRun(model, config, {**description, "step": 0}, job.folder), data), voice)
        check_space(job.folder, model)
    voice.tell(f"{data.provenance}\n{config.model.family}, {size:,} parameters; run folder: {job.folder}")
    if line := warm_up_warning(config, model):
        voice.tell(line)

    def start() -> None:
        config.save(job.folder / CONFIG)
        write_json(job.folder / PROVENANCE, record)

    with plain_faults(job):
        result = fit(
            model,
            objective(config.objective.over(config.train.steps), average=over_processes),
            data.train,
            config.train,
            job.folder,
            valid=data.valid,
            description=description,
            resume=job.resume,
            on_evaluate=watching(data.valid, config.train.seed, max(1, config.train.batch // config.train.accumulate)),
            on_start=start,
            claim=claim,
        )
    if claim:
        claim.check()
        finish(job.folder, record, result)
    return result


def changes_of_data(job: Job, earlier: Mapping[str, Any], data: Mapping[str, Any]) -> list[str]:
    """Every accepted change of the images of a run.  Raises HvaeError for one that is not accepted."""
    changes = split_changes(earlier.get("data") or {}, data)
    if not job.accepts_changes:
        refuse_changes(job.folder, changes)
    return [*earlier.get("data_changes", []), *changes]


@contextmanager
def plain_faults(job: Job) -> Iterator[None]:
    """Turn a lack of memory, a failing compiler and an interruption into a line that says what to do."""
    try:
        yield
    except (MemoryError, RuntimeError) as fault:
        if line := _plain(fault, job):
            raise HvaeError(line) from fault
        raise
    except KeyboardInterrupt:
        # Before the first file there is nothing to go on with.
        words = [f"go on with: hvae train {job.folder} --resume"] * (job.folder / CONFIG).is_file()
        raise KeyboardInterrupt(*words) from None


def _plain(fault: Exception, job: Job) -> str:
    """What to do about a fault; empty where it is not known."""
    text, origin = str(fault), type(fault).__module__
    if isinstance(fault, MemoryError) or "allocate memory" in text or "out of memory" in text:
        return (
            f"not enough memory for a step of {job.config.train.batch} data; hvae inspect tells what it takes; raise "
            "--train.accumulate (same result, less memory), or set --model.checkpoint true for a ladder"
        )
    if job.config.train.compile and origin.startswith(("torch._dynamo", "torch._inductor")):
        why = " ".join(text.split())[:200]
        return f"train.compile: this model cannot be compiled here ({why}); a C++ compiler is needed, or leave it out"
    return ""
