"""What a scoring found: lines of a file, and words and tables for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hvae.cli.scoring.checks import OUTSIDE
from hvae.cli.voice import table
from hvae.screen.numbers import number
from hvae.screen.text import for_cell

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.metrics.normality import NormalRanges

SHOWN = 20
ORACLE = "'decides' was chosen without foreign labels; to pick the best row would be to pick with them (an oracle)"
ONE_WAY = "the reverse pair needs a model of the other data (--reverse RUN2): a score can flip"


def rows(found: Mapping[str, Tensor], reasons: list[str], files: list[str]) -> str:
    """One line an image: its place, its file where it has one, the decision, its reason if it is foreign, all scores.

    A name that a spreadsheet would run, or that is no text, is written as `hvae.screen.text.for_cell` says.

    >>> import torch
    >>> print(rows({"nll": torch.tensor([1.5])}, ["nll above 1"], ["a.png"]).replace("\\r", ""), end="")
    index,file,decision,reason,nll
    0,a.png,foreign,nll above 1,1.5
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["index", *(["file"] if files else []), "decision", "reason", *found])
    columns = [column.tolist() for column in found.values()]
    for i, (reason, *values) in enumerate(zip(reasons, *columns, strict=True)):
        decision = "foreign" if reason else "normal"
        writer.writerow([i, *map(for_cell, files[i : i + 1]), decision, reason, *(f"{value:.6g}" for value in values)])
    return text.getvalue()


def shown(told: Mapping[str, Any]) -> list[Any]:
    """The result for people: lines and tables."""
    share = f"{told['foreign']:,} of {told['rows']:,} images are foreign"
    parts: list[Any] = [told["brought"]["text"]] if told["brought"] else []
    parts += [f"{share} ({_rule(told)})"]
    parts += [_range_table(told["ranges"])] if told["by"] == OUTSIDE else []
    parts += [f"every score of each image: {told['csv']}"]
    if told["maps"]:
        parts.append(f"heat maps: {told['maps']}")
    if told["detection"]:
        parts += [_table(told, "Telling X from the run's test data"), *_reversed(told["reverse"]), ORACLE]
    return parts


def ranges(normal: NormalRanges, found: Mapping[str, Tensor]) -> dict[str, dict[str, float]]:
    """The normal range of each score, and how many images lie below and above it."""
    return {
        name: {
            "low": normal.low[name],
            "high": normal.high[name],
            "below": int((found[name] < normal.low[name]).sum()),
            "above": int((found[name] > normal.high[name]).sum()),
        }
        for name in normal.middle
    }


def _rule(told: Mapping[str, Any]) -> str:
    share = percent(told["quantile"])
    if told["by"] != OUTSIDE:
        return f"{told['by']} above {number(told['threshold'])}, the {share} quantile of validation data"
    return (
        f"any score outside of its normal range; inside of all of them lie {share} of normal data, by validation data"
    )


def _range_table(found: Mapping[str, Mapping[str, float]]) -> Any:
    made = table("score", "normal from", "to", "images below", "above", title="What decides")
    for name, row in found.items():
        made.add_row(name, number(row["low"]), number(row["high"]), f"{row['below']:,}", f"{row['above']:,}")
    return made


def _reversed(told: Mapping[str, Any] | None) -> list[Any]:
    if told is None:
        return [ONE_WAY]
    brought = [told["brought"]["text"]] if told["brought"] else []
    return [*brought, _table(told, f"The reverse, by {told['run']}")]


def percent(share: float) -> str:
    """A share in percent, with as many digits as it has.

    >>> percent(0.995), percent(0.95), percent(0.29)
    ('99.5%', '95%', '29%')
    """
    return f"{100 * share:.10g}%"


def _table(told: Mapping[str, Any], title: str) -> Any:
    found, by = told["detection"], told["by"]
    first = next(iter(found.values()))
    sizes = f"{first['foreign']:,} foreign (positive) and {first['normal']:,} normal images, balanced"
    made = table("score", "AUROC", "AUPRC", "AUPRC normal", "FPR80", "", title=f"{title}: {sizes}")
    best = {by, *sorted(found, key=lambda name: -found[name]["auroc"])[:SHOWN]}
    for name in (name for name in found if name in best):
        numbers = (f"{found[name][key]:.3f}" for key in ("auroc", "auprc", "auprc_normal", "fpr80"))
        made.add_row(name, *numbers, "decides" if name == by else "")
    return made
