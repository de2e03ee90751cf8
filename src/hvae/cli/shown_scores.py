"""The result of a scoring for people: lines and tables."""

from __future__ import annotations

from math import isinf
from typing import TYPE_CHECKING

from hvae.metrics.outliers import unit
from hvae.screen.numbers import number, percent, share
from hvae.screen.table import Table, table
from hvae.screen.text import for_screen
from hvae.study.scoring.checks import OUTSIDE

if TYPE_CHECKING:
    from hvae.study.scoring.scores import Comparison, Scores
    from hvae.study.slides.score import Reduced, SlideScores

SHOWN, ODD = 20, 10
ORACLE = (
    "'decides' was chosen without out-of-distribution labels; "
    "to pick the best row would be to pick with them (an oracle)"
)
ONE_WAY = "the reverse pair needs a model of the other data (--reverse RUN2): a score can flip"


def shown(scores: Scores) -> list[str | Table]:
    """The result for people: lines and tables."""
    comparison = scores.comparison
    share = f"{scores.foreign:,} of {len(scores):,} {scores.noun} are foreign, that is out-of-distribution"
    parts: list[str | Table] = [str(comparison.change)] if comparison.change else []
    parts += [f"{share} ({_rule(scores)})"]
    parts += _whole(scores)
    parts += [_range_table(scores)] if comparison.by == OUTSIDE else []
    parts += [_odd_table(scores)] if scores.odd else []
    parts += [f"every score of each of them: {scores.csv}"]
    if scores.maps:
        parts.append(f"heat maps: {scores.maps.file}")
    if comparison.detection:
        parts += [_table(comparison, "Telling X from the run's test data"), *_reversed(scores.reverse), ORACLE]
    return parts


def shown_slide(scores: SlideScores) -> list[str | Table]:
    """The result of one large picture for people."""
    names = list(scores.reduced[0].maps)
    title = "Highest place of each map, in standard deviations of training data"
    rows = table("reduced by", "height x width", "tiles", "foreign", *names, title=title)
    for one in scores.reduced:
        rows.add_row(*_reduced_row(one, names))
    rule = f"foreign: {scores.by} above {number(scores.threshold)}, so that {percent(scores.quantile)} of the run's "
    rule += "validation data are normal"
    return [rows, rule, f"maps xK-NAME.npy and .png, and every score of each tile in tiles.csv: {scores.out}"]


def _reduced_row(one: Reduced, names: list[str]) -> list[str]:
    foreign = sum(map(bool, one.reasons))
    size = " x ".join(f"{side:,}" for side in one.size)
    return [str(one.reduction), size, f"{len(one.reasons):,}", f"{foreign:,}", *(number(one.maps[n]) for n in names)]


def _whole(scores: Scores) -> list[str | Table]:
    """The bound of sequences, as a whole and by both averages of a step."""
    whole = scores.whole
    if whole is None:
        return []
    rows = table(f"minus the {scores.bound}, nats", "mean", title="Their bound")
    rows.add_row("a sequence", number(whole.sequence.mean))
    rows.add_row("a step, frame average (sum of nats over sum of steps)", number(whole.frame_average.mean))
    rows.add_row("a step, sequence mean (mean of each sequence's own)", number(whole.sequence_mean.mean))
    return [rows]


def _rule(scores: Scores) -> str:
    by, share = scores.comparison.by, percent(scores.quantile)
    if by != OUTSIDE:
        return f"{by} above {number(scores.threshold)} {_unit(by, scores)}, the {share} quantile of validation data"
    return (
        f"any score outside of its normal range; inside of all of them lie {share} of normal data, by validation data"
    )


def _range_table(scores: Scores) -> Table:
    rows = table("score", "normal from", "to", "in", f"{scores.noun} below", "above", title="What decides")
    for name, row in scores.ranges.items():
        counts = (f"{count:,}" for count in (row.below, row.above))
        rows.add_row(name, number(row.low), number(row.high), _unit(name, scores), *counts)
    return rows


def _unit(score: str, scores: Scores) -> str:
    """What a score is counted in; nats of sequences are those of a step."""
    name = unit(score)
    return f"{name} a step" if name == "nats" and scores.steps is not None else name


def _odd_table(scores: Scores) -> Table:
    """The oddest cells of all rows, the rarest first."""
    title = "Oddest cells; share: of validation rows whose cell of that column is as surprising or more"
    rows = table("row", "column", "cell", "nats given the others", "share", "the row is", title=title)
    each = zip(scores.odd, scores.decisions, range(1, len(scores) + 1), strict=True)
    for cell, decision, row in sorted(each, key=lambda one: (one[0].share, -one[0].nats))[:ODD]:
        nats = "new" if isinf(cell.nats) else number(cell.nats)
        rows.add_row(f"{row:,}", for_screen(cell.column), for_screen(cell.cell), nats, share(cell.share, 1), decision)
    return rows


def _reversed(reverse: Comparison | None) -> list[str | Table]:
    if reverse is None:
        return [ONE_WAY]
    change: list[str | Table] = [str(reverse.change)] if reverse.change else []
    return [*change, _table(reverse, f"The reverse, by {reverse.run}")]


def _table(comparison: Comparison, title: str) -> Table:
    detection, by = comparison.detection or {}, comparison.by
    first = next(iter(detection.values()))
    sizes = f"{first.foreign:,} foreign (positive) and {first.normal:,} normal images, balanced"
    rows = table("score", "AUROC", "AUPRC", "AUPRC normal", "FPR80", "", title=f"{title}: {sizes}")
    best = {by, *sorted(detection, key=lambda name: -detection[name].auroc)[:SHOWN]}
    for name, one in detection.items():
        if name in best:
            numbers = (f"{value:.3f}" for value in (one.auroc, one.auprc, one.auprc_normal, one.fpr80))
            rows.add_row(name, *numbers, "decides" if name == by else "")
    return rows
