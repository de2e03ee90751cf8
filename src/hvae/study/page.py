"""What stands on the page of a run: its numbers and pictures, as plain data for the room that writes it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from hvae.descriptions import RunRecord
from hvae.errors import HvaeError
from hvae.records import JSON
from hvae.reporting.data import Headline, LevelNumbers, Passage, Picture, ReportData, Verdict, read_history
from hvae.runs.columns import columns_of
from hvae.runs.provenance import read_provenance, retyped
from hvae.runs.subject import Subject
from hvae.screen.numbers import counted, singular
from hvae.study import table_page
from hvae.study.conditions import TEXT
from hvae.study.evaluation import Evaluation
from hvae.study.measure import Figure
from hvae.study.progress import Bars
from hvae.walk import glimpse, names

if TYPE_CHECKING:
    from hvae.data import Provenance, Split

IMAGES = 256
PNG, MOST_PICTURE = b"\x89PNG\r\n\x1a\n", 2**25


def page_of(subject: Subject, evaluation: Evaluation, watched: Bars) -> ReportData:
    """Everything that the page of a run shows; its pictures are drawn here."""
    loaded = subject.run
    folder, provenance = loaded.folder, read_provenance(loaded.folder)
    exhibits, passages = _exhibits(subject, watched)
    return ReportData(
        title=f"{loaded.config.model.family} on {evaluation.data.name}",
        summary=_summary(subject, provenance),
        headlines=_headlines(evaluation),
        conclusion=evaluation.conclusion,
        verdicts=_verdicts(evaluation),
        levels=_levels(subject, evaluation),
        history=read_history(folder / "metrics.csv", names(loaded.model)),
        level_notes=evaluation.notes(),
        sheets=evaluation.sheets(),
        agreement=evaluation.agreement(),
        pictures=[*exhibits, *_figures(folder, evaluation)],
        passages=passages,
        noun=_noun(subject),
        data=_data(evaluation.data),
        configuration=loaded.config.to_dict(),
        environment=_environment(provenance),
        commands=retyped([*provenance.get("commands", []), shlex.join(["hvae", "report", str(folder)])]),
    )


def _data(provenance: Provenance) -> JSON:
    """What is known of the data; of what was counted while they were read, what there was."""
    record = provenance.to_dict()
    return {**record, "tally": {name: count for name, count in record["tally"].items() if count}}


def _noun(subject: Subject) -> str:
    """What one datum is called."""
    return singular(subject.run.noun)


def _environment(provenance: Mapping[str, object]) -> dict[str, object]:
    return {key: provenance[key] for key in _ENVIRONMENT if key in provenance}


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


def _summary(subject: Subject, provenance: RunRecord) -> str:
    loaded, record = subject.run, subject.data.provenance
    size = sum(p.numel() for p in loaded.model.parameters())
    model = f"A {loaded.config.model.family} model with {size / 1e6:.2f} million parameters"
    if source := loaded.description.get("imported"):
        whose = f"{source['name']} of {source['code']}, " if "name" in source else ""
        digest = f"sha256 {source['sha256'][:12]}..."
        return f"{model}, imported from {source['file']} ({whose}{digest}); not trained here."
    seconds = (provenance.get("training") or {}).get("seconds")
    spent = f" in {seconds / 60:.1f} minutes" if seconds else ""
    images = f"{record.sizes['train']:,} {_noun(subject)}s of {record.name}"
    return f"{model}, trained for {counted(loaded.step, 'step')}{spent} on {images}."


def _headlines(evaluation: Evaluation) -> list[Headline]:
    cards = []
    missing = ((name, "not measured", reason) for name, reason in evaluation.skipped.items())
    for name, text, note in [*evaluation.headlines(), *missing]:
        value, spread, unit = _PARTS.fullmatch(text).groups("")  # type: ignore[union-attr]
        cards.append(Headline(label=name, value=value, unit=unit, spread=spread, note=note))
    return cards


_PARTS = re.compile(r"(.*?)(?: (\[.*\]|± .*?))?(?: (nats|dB|bits/dim))?")
"""A value, its interval or error, and its unit: on a card they have lines of their own."""


def _verdicts(evaluation: Evaluation) -> list[Verdict]:
    levels = evaluation.verdict.levels if evaluation.verdict else {}
    return [
        Verdict(level=name, status=level.state, sentence=level.sentence, advice=level.advice)
        for name, level in levels.items()
    ]


def _levels(subject: Subject, evaluation: Evaluation) -> list[LevelNumbers]:
    columns = evaluation.levels()
    shapes = {r.name: tuple(r.value.shape[1:]) for r in glimpse(subject.run.model).latents}
    return [
        LevelNumbers(
            name=name,
            shape=shapes[name],
            nats=use.rate_nats,
            active=use.active,
            units=use.units,
            more={title: text for title, text in columns[name].items() if title not in _OF_THE_PAGE},
        )
        for name, use in evaluation.uses().items()
    ]


_OF_THE_PAGE = ("nats", "active")
"""Titles of what the page has columns of its own for."""


def _figures(folder: Path, evaluation: Evaluation) -> Iterator[Picture]:
    """The pictures that the evaluation has drawn, as far as they are still there."""
    for measure, figures in evaluation.figures().items():
        for figure in figures:
            path = folder / "pictures" / figure.filename
            if path.is_file():
                yield _picture(figure, _png(path, measure))


def _picture(figure: Figure, png: bytes) -> Picture:
    return Picture(
        title=figure.title,
        caption=figure.caption,
        png=png,
        filename=figure.filename,
        section="levels",
        alt=figure.alt,
    )


def _png(path: Path, measure: str) -> bytes:
    """A picture of the folder, which goes onto the page as it is: of a file that is none, nothing may."""
    content = path.read_bytes() if path.stat().st_size <= MOST_PICTURE else b""
    if path.is_symlink() or len(content) < 24 or not content.startswith(PNG):
        raise HvaeError(f"{path} is damaged or no PNG; delete it, and measure again: --evaluate.measures {measure}")
    return content


def _exhibits(subject: Subject, watched: Bars) -> tuple[list[Picture], list[Passage]]:
    """What can be seen, heard and read of a model."""
    from hvae.data import SequenceData
    from hvae.study.sequence_page import exhibits

    if isinstance(subject.data, SequenceData):
        with watched.bar("samples") as tick:
            return exhibits(subject, subject.data, tick)
    if (columns := columns_of(subject.run)) is not None:
        with watched.bar("columns") as tick:
            return table_page.exhibits(subject, subject.images, columns, tick)
    return _pictures(subject, watched), []


def _pictures(subject: Subject, watched: Bars) -> list[Picture]:
    from hvae.reporting import pictures

    if len(subject.data.shape) == 1:
        return []
    model, data = subject.run.model, subject.images
    split = getattr(data, subject.config.split) if subject.no_data() else cast("Split", subject.split)
    images = split.batch(range(min(IMAGES, len(split))))
    top = max(1, min(subject.config.held, len(names(model)) - 1))
    words = split.captions.texts[: len(images)] if split.captions and TEXT in model.conditions else ()
    seed, classes = subject.config.seed, data.classes
    with watched.bar("pictures") as tick:
        return pictures(model, images, top=top, seed=seed, captions=words, classes=classes, progress=tick)
