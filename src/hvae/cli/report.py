"""hvae report: one page that shows what a model has learnt."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.cli.evaluate import NAME as EVALUATION
from hvae.cli.evaluate import evaluation, parser
from hvae.cli.evaluation.judgement import tells, verdict_of
from hvae.cli.evaluation.measures import with_measures
from hvae.cli.evaluation.quick import MAPS
from hvae.cli.evaluation.record import read_evaluation
from hvae.cli.evaluation.shown import (
    TOP_HEADS,
    conclusion,
    headlines,
    level_columns,
    notes,
    top_note,
    top_rows,
)
from hvae.cli.parser import split_dotted
from hvae.cli.trusting import trusted
from hvae.cli.voice import Voice
from hvae.errors import HvaeError
from hvae.runs import MEASURING, Claim, claiming
from hvae.runs.provenance import read_provenance, retyped
from hvae.runs.subject import Subject, open_run
from hvae.screen.numbers import number

if TYPE_CHECKING:
    from hvae.reporting import Agreement, Headline, LevelNumbers, Picture, Sheet, Verdict

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
            found = _numbers(subject, bool(dotted), voice, measuring)
            path = write(subject, found, voice, measuring)
    voice.answer({"report": str(path)})
    if not args.json:
        voice.show(f"report: {path}")


def _numbers(subject: Subject, fresh: bool, voice: Voice, measuring: Claim) -> dict[str, Any]:
    from hvae.walk import names

    path = subject.run.folder / EVALUATION
    found = read_evaluation(path) if path.exists() and not fresh else {}
    # Numbers of an earlier state of the weights would be a lie on the page of this one.
    asked = {name for name, result in found.items() if result} | set(found.get("skipped", {}))
    whole = found.get("step") == subject.run.step and {"likelihood", "activity"} <= asked
    levels = (found.get("activity") or {}).get("levels")
    is_known = whole and (levels is None or set(levels) == set(names(subject.run.model)))
    return found if is_known else evaluation(measured_for(subject, voice), voice, measuring)


def measured_for(subject: Subject, voice: Voice) -> Subject:
    """The subject with the measures added that a page is poor without."""
    return with_measures(subject, ("likelihood", "activity"), voice)


def write(subject: Subject, found: Mapping[str, Any], voice: Voice, measuring: Claim) -> Path:
    """Draw the pictures and write the page; the path of it."""
    from hvae.reporting import ReportData, read_history, write_report
    from hvae.walk import names

    run = subject.run
    # Judged anew: records of earlier versions knew less.
    found = {**found, "verdict": verdict_of(run, found)} if "activity" in found else found
    folder, provenance = run.folder, read_provenance(run.folder)
    page = ReportData(
        title=f"{run.config.model.family} on {found['data']['name']}",
        summary=_summary(subject, provenance),
        headlines=_headlines(found),
        conclusion=conclusion(found) if "activity" in found else "",
        verdicts=_verdicts(found),
        levels=_levels(subject, found),
        history=read_history(folder / "metrics.csv", names(run.model)),
        level_notes=notes(found),
        sheets=_sheets(found),
        agreement=_agreement(found.get("coarse_to_fine")),
        pictures=[*_pictures(subject, voice), *_maps(subject, found)],
        data=found["data"],
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


def _headlines(found: Mapping[str, Any]) -> list[Headline]:
    from hvae.reporting import Headline

    cards = []
    for name, text, note in [*headlines(found), *_missing(found)]:
        value, spread, unit = _PARTS.fullmatch(text).groups("")  # type: ignore[union-attr]
        cards.append(Headline(label=name, value=value, unit=unit, spread=spread, note=note))
    return cards


def _missing(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What was left out of an evaluation, and why."""
    return ((name, "not measured", line) for name, line in found.get("skipped", {}).items())


_PARTS = re.compile(r"(.*?)(?: (\[.*\]|± .*?))?(?: (nats|dB))?")
"""A value, its interval or error, and its unit: on a card they have lines of their own."""


def _verdicts(found: Mapping[str, Any]) -> list[Verdict]:
    from hvae.reporting import Verdict

    return [
        Verdict(level=name, status=level["state"], sentence=level["sentence"], advice=level["advice"])
        for name, level in found.get("verdict", {"levels": {}})["levels"].items()
    ]


def _active(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """The activity of each level; empty where there were too few data for it."""
    levels: Mapping[str, Any] = found["activity"]["levels"] if "activity" in found else {}
    return levels


def _levels(subject: Subject, found: Mapping[str, Any]) -> list[LevelNumbers]:
    import torch

    from hvae.draw import prior
    from hvae.reporting import LevelNumbers
    from hvae.walk import run

    columns = level_columns(found)
    with torch.no_grad():
        shapes = {r.name: tuple(r.value.shape[1:]) for r in run(subject.run.model, prior()).latents}
    return [
        LevelNumbers(
            name=name,
            shape=shapes[name],
            nats=math.nan if level["rate_nats"] is None else level["rate_nats"],
            active=level["active_dims"],
            units=level["dims"],
            more={title: text for title, text in columns[name].items() if title not in _SHOWN_ALREADY},
        )
        for name, level in _active(found).items()
    ]


_SHOWN_ALREADY = ("nats", "active")


def _sheets(found: Mapping[str, Any]) -> list[Sheet]:
    from hvae.reporting import Sheet

    rows = top_rows(found)
    title = "What the top levels are worth"
    return [Sheet(title=title, heads=TOP_HEADS, rows=rows, note=top_note(found))] if rows else []


def _maps(subject: Subject, found: Mapping[str, Any]) -> list[Picture]:
    """The rate maps, as the evaluation has drawn them."""
    from hvae.reporting import Picture

    path = subject.run.folder / "pictures" / MAPS
    if not found.get("maps") or not path.is_file():
        return []
    most = ", ".join(f"{name} {number(level['most_nats'])}" for name, level in found["maps"]["levels"].items())
    return [
        Picture(
            title="Where each level spends its nats",
            caption=f"Mean rate at each place over {found['maps']['data']} images, summed over channels; each map from "
            "black (0) to its brightest place, whose nats stand above it. The last is the data themselves: what is "
            "left to the likelihood.",
            png=_png(path),
            filename=MAPS,
            section="levels",
            alt=f"One map a level; nats at the brightest place: {most}.",
        )
    ]


def _png(path: Path) -> bytes:
    """A picture of the folder, which goes onto the page as it is: of a file that is none, nothing may."""
    content = path.read_bytes() if path.stat().st_size <= MOST_PICTURE else b""
    if path.is_symlink() or len(content) < 24 or not content.startswith(PNG):
        raise HvaeError(f"{path} is damaged or no PNG; delete it, and measure again: --evaluate.measures maps")
    return content


def _agreement(found: Mapping[str, Any] | None) -> Agreement | None:
    from hvae.reporting import Agreement

    if found is None or not tells(found):
        return None
    shares = {label: found[key] for key, label in _EXPERIMENTS.items() if key in found}
    note = (
        f"Share of the most frequent class among {found['redraws']} redraws of an image, mean over {found['groups']} "
        f"images; {found['held']} top level{'s' * (found['held'] > 1)} held or redrawn. "
        f"Judge: {found.get('classifier', 'unknown')}."
    )
    return Agreement(shares=shares, note=note)


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
