"""hvae report: one page that shows what a model has learnt."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.cli.evaluate import NAME as EVALUATION
from hvae.cli.evaluate import parser
from hvae.cli.parser import split_dotted
from hvae.cli.trusting import trusted
from hvae.cli.voice import Voice
from hvae.errors import HvaeError
from hvae.runs import MEASURING, Claim, claiming
from hvae.runs.provenance import read_provenance, retyped
from hvae.runs.subject import Subject, open_run

if TYPE_CHECKING:
    from hvae.reporting import Agreement, Headline, LevelNumbers, Picture, Verdict
    from hvae.study import Evaluation
    from hvae.study.measures.coarse_to_fine import CoarseToFineResult

ABOUT = (
    "Write RUN/report.html again: samples, reconstructions, what each level does, and a verdict, in one file that "
    "opens without a network. Numbers come from RUN/evaluation.json, or are measured first if there is none."
)
EXAMPLES = ("hvae report runs/digits",)
IMAGES = 256
PNG, MOST_PICTURE = b"\x89PNG\r\n\x1a\n", 2**25


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser(rest, "report", ABOUT, EXAMPLES).parse_args(rest)
    voice = Voice(args.json)
    with voice.working():
        subject = open_run(args.run, dotted, voice.tell, trusted(args, dotted))
        with claiming(subject.run.folder, MEASURING, tell=voice.tell) as measuring:
            evaluation = _numbers(subject, bool(dotted), voice, measuring)
            path = write(subject, evaluation, voice, measuring)
    voice.answer({"report": str(path)})
    if not args.json:
        voice.show(f"report: {path}")


def _numbers(subject: Subject, fresh: bool, voice: Voice, measuring: Claim) -> Evaluation:
    from hvae.study import read_evaluation
    from hvae.study.evaluate import measure_all

    path = subject.run.folder / EVALUATION
    last = read_evaluation(path) if path.exists() and not fresh else None
    if last and _serves(last, subject):
        return last
    return measure_all(measured_for(subject), voice, voice.tell, measuring)


def _serves(evaluation: Evaluation, subject: Subject) -> bool:
    """Whether a page can be written from it: numbers of an earlier state of the weights would be a lie there."""
    from hvae.study.measures.activity import Activity
    from hvae.walk import names

    is_whole = {*evaluation.results, *evaluation.skipped} >= NEEDED and not evaluation.unreadable
    activity = evaluation.of(Activity)
    is_of_these = not activity or set(activity.levels) == set(names(subject.run.model))
    return is_whole and evaluation.step == subject.run.step and is_of_these


NEEDED = {"likelihood", "activity"}
"""The measures that a page is poor without."""


def measured_for(subject: Subject) -> Subject:
    """The subject with the measures added that a page is poor without."""
    from hvae.study.evaluate import with_measures

    return with_measures(subject, sorted(NEEDED, reverse=True))


def write(subject: Subject, evaluation: Evaluation, voice: Voice, measuring: Claim) -> Path:
    """Draw the pictures and write the page; the path of it."""
    from hvae.reporting import ReportData, Sheet, read_history, write_report
    from hvae.study.evaluate import judged
    from hvae.study.measures.coarse_to_fine import CoarseToFine
    from hvae.walk import names

    run = subject.run
    # Judged anew: records of earlier versions knew less.
    evaluation = judged(subject, evaluation)
    folder, provenance = run.folder, read_provenance(run.folder)
    page = ReportData(
        title=f"{run.config.model.family} on {evaluation.data.name}",
        summary=_summary(subject, provenance),
        headlines=_headlines(evaluation),
        conclusion=evaluation.conclusion,
        verdicts=_verdicts(evaluation),
        levels=_levels(subject, evaluation),
        history=read_history(folder / "metrics.csv", names(run.model)),
        level_notes=evaluation.notes(),
        sheets=[Sheet(title=s.title, heads=s.heads, rows=s.rows, note=s.note) for s in evaluation.sheets()],
        agreement=_agreement(evaluation.of(CoarseToFine)),
        pictures=[*_pictures(subject, voice), *_figures(folder, evaluation)],
        data=evaluation.data.to_dict(),
        configuration=run.config.to_dict(),
        environment={key: provenance[key] for key in _ENVIRONMENT if key in provenance},
        commands=retyped([*provenance.get("commands", []), shlex.join(["hvae", "report", str(folder)])]),
    )
    measuring.check()
    return write_report(folder, page)


_ENVIRONMENT = (
    "hvae",
    "python",
    "platform",
    "machine",
    "packages",
    "seed",
    "started",
    "finished",
    "training",
    "imported",
)


def _summary(subject: Subject, provenance: Mapping[str, Any]) -> str:
    run, record = subject.run, subject.data.provenance
    size = sum(p.numel() for p in run.model.parameters())
    if source := run.description.get("imported"):
        whose = f"{source['name']} of {source['code']}, " if "name" in source else ""
        return (
            f"A {run.config.model.family} model with {size / 1e6:.2f} million parameters, imported from "
            f"{source['file']} ({whose}sha256 {source['sha256'][:12]}...); not trained here."
        )
    seconds = (provenance.get("training") or {}).get("seconds")
    spent = f" in {seconds / 60:.1f} minutes" if seconds else ""
    return (
        f"A {run.config.model.family} model with {size / 1e6:.2f} million parameters, trained for {run.step:,} steps"
        f"{spent} on {record.sizes['train']:,} images of {record.name}."
    )


def _headlines(evaluation: Evaluation) -> list[Headline]:
    from hvae.reporting import Headline

    cards = []
    missing = ((name, "not measured", reason) for name, reason in evaluation.skipped.items())
    for name, text, note in [*evaluation.headlines(), *missing]:
        value, spread, unit = _PARTS.fullmatch(text).groups("")  # type: ignore[union-attr]
        cards.append(Headline(label=name, value=value, unit=unit, spread=spread, note=note))
    return cards


_PARTS = re.compile(r"(.*?)(?: (\[.*\]|± .*?))?(?: (nats|dB))?")
"""A value, its interval or error, and its unit: on a card they have lines of their own."""


def _verdicts(evaluation: Evaluation) -> list[Verdict]:
    from hvae.reporting import Verdict

    levels = evaluation.verdict.levels if evaluation.verdict else {}
    return [
        Verdict(level=name, status=level.state, sentence=level.sentence, advice=level.advice)
        for name, level in levels.items()
    ]


def _levels(subject: Subject, evaluation: Evaluation) -> list[LevelNumbers]:
    import torch

    from hvae.draw import prior
    from hvae.reporting import LevelNumbers
    from hvae.study.measures.activity import Activity
    from hvae.walk import run

    columns, activity = evaluation.levels(), evaluation.of(Activity)
    with torch.no_grad():
        shapes = {r.name: tuple(r.value.shape[1:]) for r in run(subject.run.model, prior()).latents}
    return [
        LevelNumbers(
            name=name,
            shape=shapes[name],
            nats=level.rate_nats,
            active=level.active_dims,
            units=level.dims,
            more={title: text for title, text in columns[name].items() if title not in _SHOWN_ALREADY},
        )
        for name, level in (activity.levels.items() if activity else ())
    ]


_SHOWN_ALREADY = ("nats", "active")


def _figures(folder: Path, evaluation: Evaluation) -> list[Picture]:
    """The pictures that the evaluation has drawn."""
    from hvae.reporting import Picture

    return [
        Picture(
            title=figure.title,
            caption=figure.caption,
            png=_png(folder / "pictures" / figure.filename),
            filename=figure.filename,
            section="levels",
            alt=figure.alt,
        )
        for figure in evaluation.figures()
        if (folder / "pictures" / figure.filename).is_file()
    ]


def _png(path: Path) -> bytes:
    """A picture of the folder, which goes onto the page as it is: of a file that is none, nothing may."""
    content = path.read_bytes() if path.stat().st_size <= MOST_PICTURE else b""
    if path.is_symlink() or len(content) < 24 or not content.startswith(PNG):
        raise HvaeError(f"{path} is damaged or no PNG; delete it, and measure again: --evaluate.measures maps")
    return content


def _agreement(result: CoarseToFineResult | None) -> Agreement | None:
    from hvae.reporting import Agreement

    if result is None or not result.tells:
        return None
    values = result.to_dict()
    note = (
        f"Share of the most frequent class among {result.redraws} redraws of an image, mean over {result.groups} "
        f"images; {result.held} top level{'s' * (result.held > 1)} held or redrawn. "
        f"Judge: {result.classifier or 'unknown'}."
    )
    return Agreement(shares={label: values[key] for key, label in _EXPERIMENTS.items() if key in values}, note=note)


_EXPERIMENTS = {
    "top_held": "top held, the rest redrawn",
    "top_redrawn": "mirror: top redrawn, the rest held",
    "top_swapped": "mirror, relative: top redrawn, offsets held",
    "chance": "chance: groups broken up",
}


def _pictures(subject: Subject, voice: Voice) -> list[Picture]:
    from hvae.reporting import pictures
    from hvae.walk import names

    if len(subject.data.shape) != 3:
        return []
    model = subject.run.model
    split = getattr(subject.data, subject.config.split) if subject.no_data() else subject.split
    images = split.batch(range(min(IMAGES, len(split))))
    held = max(1, min(subject.config.held, len(names(model)) - 1))
    with voice.bar("pictures") as tick:
        return pictures(model, images, held=held, seed=subject.config.seed, progress=tick)
