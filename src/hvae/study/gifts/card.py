"""The card of a run that is given away: its facts as JSON, and README.md made of them.

Numbers are those of evaluation.json, each in the words in which `hvae evaluate` says what it is of.  In README.md every
text is escaped that is not written here: names, commands and notes are others' words, which a page shows as they are.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hvae.config.presets import PRESETS
from hvae.descriptions import Card, Figure, RunRecord
from hvae.errors import HvaeError
from hvae.pretrained import FACTS
from hvae.records import check
from hvae.screen.numbers import clock, counted, size
from hvae.screen.text import for_screen

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.study.evaluation import Evaluation

NONE_SAID = "none said"
_MARKS = re.compile(r"[&<>\"'`*_\[\]{}#!|~:@\\$^]|(?<=www)\.")
_LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,59}")


def facts(run: LoadedRun, name: str, provenance: RunRecord, evaluation: Evaluation | None, licence: str) -> Card:
    """What is known of a run that has been scrubbed: a card but for its files.

    Raises HvaeError for a licence that is no identifier, such as cc-by-sa-3.0.
    """
    from hvae.study.building import parameters
    from hvae.walk import names

    if licence and not _LICENCE.fullmatch(licence):
        raise HvaeError(f"--licence: expected an identifier, such as apache-2.0 or cc-by-sa-3.0, got {licence[:60]}")
    headlines = evaluation.headlines() if evaluation else ()
    numbers: list[Figure] = [{"name": h.name, "value": h.value, "note": h.note} for h in headlines]
    training = provenance.get("training") or {}
    return {
        "name": name,
        "about": _about(run, provenance),
        "family": run.config.model.family,
        "levels": names(run.model),
        "parameters": parameters(run.model),
        "shape": list(run.model.shape),
        "bits": run.bits,
        "data": {"name": run.config.data.name, "licence": data_licence(run.config.data.name)},
        "licence": licence or NONE_SAID,
        "commands": provenance.get("commands"),
        "seed": provenance.get("seed"),
        "hvae": provenance.get("hvae"),
        "step": run.step,
        "seconds": training.get("seconds"),
        "machine": provenance.get("machine"),
        "headline": _headline(numbers),
        "numbers": numbers,
        "conclusion": evaluation.conclusion if evaluation else "",
        "limits": list(_limits(run, evaluation)),
    }


def data_licence(name: str) -> str:
    """The licence of a known data set, in the words of `hvae data`.

    >>> data_licence("mnist-dynamic"), data_licence("folder")
    ('CC BY-SA 3.0', 'not known: data of their own')
    """
    from hvae.config.data import DataConfig
    from hvae.data.catalogue import SETS
    from hvae.data.lookup import base
    from hvae.data.sequences.catalogue import sets

    entry = SETS.get(base(name)) or sets(DataConfig()).get(name)
    return entry.licence if entry else "not known: data of their own"


def _about(run: LoadedRun, provenance: RunRecord) -> str:
    """The words of the preset it was trained by, else family and data."""
    commands = provenance.get("commands")
    words = shlex.split(commands[0]) if commands else []
    preset = next((PRESETS[word] for word in words if word in PRESETS), None)
    return preset.about if preset else f"{run.config.model.family} on {run.config.data.name}"


def _headline(numbers: Sequence[Figure]) -> str:
    """The tightest bound on the likelihood, else the first number."""
    bounds = [one for one in numbers if one["name"].startswith("-IW")] or list(numbers)
    return f"{bounds[0]['name']} {bounds[0]['value']}" if bounds else "not evaluated"


def _extent(run: LoadedRun) -> str:
    """Of how many columns its table is, or of what size its pictures are; sequences have no size."""
    if run.model.timed:
        return ""
    if columns := (run.description.get("data") or {}).get("columns"):
        return f" of {counted(len(columns), 'column')}"
    return f" at {'x'.join(map(str, run.model.shape))}"


def _limits(run: LoadedRun, evaluation: Evaluation | None) -> Iterator[str]:
    yield f"It knows {run.config.data.name}{_extent(run)} and nothing else."
    if evaluation is None:
        yield "It has not been evaluated: nothing is known of how good it is."
    for change in evaluation.data_changes if evaluation else ():
        yield f"The data changed during training: {change}."
    if evaluation and evaluation.unlike_training:
        yield f"It was evaluated on other data than those of its training: {', '.join(evaluation.unlike_training)}."


def readme(card: Card) -> str:
    """README.md of a card, in Markdown.  Raises HvaeError for a card without the keys it needs."""
    check(card, FACTS)
    data, files = card["data"], card["files"]
    licence = "" if card["licence"] == NONE_SAID else f"license: {_scalar(card['licence'])}\n"
    rows = [f"| {marked(n['name'])} | {marked(n['value'])} | {marked(n['note'])} |" for n in card["numbers"]]
    parts = [
        f"---\n{licence}library_name: hvae\ntags:\n- variational-autoencoder\n---",
        f"# {marked(card['name'])}",
        f"{marked(card['about'])}. A model of the library hvae: family {marked(card['family'])}, "
        f"{counted(len(card['levels']), 'level')}, {card['parameters']:,} parameters in {marked(card['precision'])}, "
        f"{size(card['bytes'])}.",
        f"- Data: {marked(data['name'])}; licence: {marked(data['licence'])}\n- Licence of the weights: "
        f"{marked(card['licence'])}\n- Seed: {marked(card.get('seed'))}; wall time of the training: {_time(card)}",
        "## Command",
        _code("\n".join(map(str, card.get("commands") or ["not recorded"]))),
        "Options that name places of its author's machine are left out.",
        "## Numbers",
        "\n".join(["| number | value | what it is |", "|---|---|---|", *rows]) if rows else "None.",
        marked(card.get("conclusion", "")),
        "## Limits",
        "\n".join(f"- {marked(limit)}" for limit in card["limits"]),
        "## Files",
        "\n".join(f"- {marked(n)}: {size(f['bytes'])}, sha256 {marked(f['sha256'])}" for n, f in files.items()),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def marked(text: object) -> str:
    r"""Text of others as a page of Markdown or HTML shows it: no mark, link or tag of it works.

    >>> print(marked("[a](http://b) <img>\n# c | d"))
    &#91;a&#93;(http&#58;//b) &#60;img&#62;&#92;n&#35; c &#124; d
    """
    return _MARKS.sub(lambda mark: f"&#{ord(mark[0])};", for_screen(text))


def _code(text: str) -> str:
    """A block of code that its content cannot end."""
    lines = [for_screen(line) for line in text.split("\n")]
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return "\n".join([fence, *lines, fence])


def _scalar(text: str) -> str:
    return text if _LICENCE.fullmatch(text) else "other"


def _time(card: Card) -> str:
    seconds, machine = card.get("seconds"), card.get("machine")
    if not isinstance(seconds, int | float):
        return "not recorded"
    if not machine:
        return clock(seconds)
    return f"{clock(seconds)} on {marked(machine.get('cpu'))}, {marked(machine.get('threads'))} threads"
