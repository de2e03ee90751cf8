"""The result of a scoring: scores, decisions and reasons of each image, and the table that they make.

Shapes: `N` images; `M` of them with a map; `C H W` an image.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.files import write_text
from hvae.metrics.likelihood import averages
from hvae.metrics.results import Estimate, Plain, estimate
from hvae.records import JSON
from hvae.screen.text import for_cell
from hvae.study.scoring.rows import HEADS, OddCell, by_column

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.data import Provenance
    from hvae.engine import Use
    from hvae.metrics.detection import Detection
    from hvae.metrics.normality import NormalRanges
    from hvae.runs.images import Change, Origin

POSITIVE, NORMAL = "foreign", "normal"
"""The two decisions: out-of-distribution, and not."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """The normal range of a score, and how many images lie below and above it."""

    low: float
    high: float
    below: int
    above: int

    def to_dict(self) -> dict[str, float]:
        """Plain values for JSON."""
        return {"low": self.low, "high": self.high, "below": self.below, "above": self.above}


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """What a model was asked about, and how well its scores tell it from the model's own test data.

    `run`, what the run is called; `by`, the score that decides; `data`, where the images come from; `change`, what was
    done to bring them to the form of the model, None for nothing; `normal`, the data of the run; `seen`, how many of
    the images are among its "train", "valid" and "test" data; `detection` by score, None where the images are not said
    to be out-of-distribution.
    """

    run: str
    by: str
    data: Origin
    change: Change | None
    normal: Provenance
    seen: Mapping[str, int]
    detection: Mapping[str, Detection] | None

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        detection = self.detection
        return {
            "by": self.by,
            "data": self.data.to_dict(),
            "brought": self.change.to_dict() if self.change else None,
            "normal": self.normal.to_dict(),
            "seen_in_training": self.seen.get("train", 0),
            "seen_in_validation": self.seen.get("valid", 0),
            "seen_in_test": self.seen.get("test", 0),
            "detection": None if detection is None else {name: one.to_dict() for name, one in detection.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Whole(Plain):
    """The negative bound of sequences in nats: a whole one on average, and a step by both averages."""

    sequence: Estimate
    frame_average: Estimate
    """Sum of nats over sum of steps."""
    sequence_mean: Estimate
    """Mean over sequences of their nats a step."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Maps:
    """Where the images with the highest deciding score are unusual.

    `places`, which images (M,); `x` (M, C, H, W), the images; `heat`, {level: (M, H, W)} in standard deviations from
    what is usual there; `file`, the picture of them, None where none was asked for.
    """

    places: tuple[int, ...]
    x: Tensor
    heat: Mapping[str, Tensor]
    file: Path | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Scores:
    """Scores of images by a model; for every score, higher is further out of distribution.

    `scores` by name, (N,) float64 on the CPU; `reasons`, why each image is out-of-distribution, as "nll above 131.7",
    empty for normal ones; `files`, the name of each image, empty where images are no files of their own; `threshold`
    of the deciding score and the `quantile` of validation data that set it; `ranges` of the few scores that decide
    together; `bound`, what log p(x) is estimated by; `comparison`, what was scored; `reverse`, the other direction of a
    pair; `maps`; `csv`, the table that was written, None where none was asked for; `steps`, of sequences how many each
    has, (N,): their scores are nats a step, and `whole` has those of whole ones; `use`, who has computed them; `odd`,
    of a table the oddest cell of each row.
    """

    scores: Mapping[str, Tensor]
    reasons: tuple[str, ...]
    files: tuple[str, ...]
    threshold: float
    quantile: float
    ranges: Mapping[str, Range]
    bound: str
    regret_steps: int
    comparison: Comparison
    reverse: Comparison | None = None
    maps: Maps | None = None
    csv: Path | None = None
    steps: Tensor | None = None
    use: Use | None = None
    odd: tuple[OddCell, ...] = ()

    def __len__(self) -> int:
        return len(self.reasons)

    @property
    def decisions(self) -> tuple[str, ...]:
        """ "foreign" (out-of-distribution) or "normal" for each image."""
        return tuple(POSITIVE if reason else NORMAL for reason in self.reasons)

    @property
    def foreign(self) -> int:
        """How many images are out-of-distribution."""
        return sum(map(bool, self.reasons))

    @property
    def noun(self) -> str:
        """What the data are called, many of them."""
        return "rows" if self.odd else "images" if self.steps is None else "sequences"

    @property
    def whole(self) -> Whole | None:
        """The bound of whole sequences and of their steps; None of images."""
        if self.steps is None:
            return None
        nats = self.scores["nll"].cpu() * self.steps
        each = averages(nats, self.steps)
        return Whole(sequence=estimate(nats), frame_average=each.frame_average, sequence_mean=each.sequence_mean)

    def to_dict(self) -> JSON:
        """Plain values for JSON: what `hvae score --json` gives."""
        reverse, whole = self.reverse, self.whole
        return {
            **({"nats": whole.to_dict()} if whole else {}),
            "csv": None if self.csv is None else str(self.csv),
            "rows": len(self),
            "threshold": self.threshold,
            "quantile": self.quantile,
            "foreign": self.foreign,
            "positive": POSITIVE,
            "bound": self.bound,
            **({"backend": self.use.to_dict()} if self.use and self.use.is_other else {}),
            "regret_steps": self.regret_steps,
            **self.comparison.to_dict(),
            "ranges": {name: one.to_dict() for name, one in self.ranges.items()},
            "maps": str(self.maps.file) if self.maps and self.maps.file else None,
            **({"odd": by_column(self.odd)} if self.odd else {}),
            "reverse": {"run": reverse.run, **reverse.to_dict()} if reverse else None,
        }

    def rows(self) -> list[list[str]]:
        """The table as texts, its header first: index, file where there are any, decision, reason, steps and nats of
        whole sequences, and all scores."""
        first, timed = ["file"] if self.files else [], ["steps", "nats"] if self.steps is not None else []
        header = ["index", *first, "decision", "reason", *timed, *(HEADS if self.odd else ()), *self.scores]
        columns = [[f"{value:.6g}" for value in column.tolist()] for column in self.scores.values()]
        decisions = zip(self.decisions, self.reasons, *self._lengths(), *self._cells(), *columns, strict=True)
        return [header, *([str(i), *self.files[i : i + 1], *row] for i, row in enumerate(decisions))]

    def _cells(self) -> list[tuple[str, ...]]:
        """Of a table four more columns: the oddest cell of each row."""
        return list(zip(*(cell.row() for cell in self.odd), strict=True)) if self.odd else []

    def _lengths(self) -> list[list[str]]:
        """Of sequences two more columns: steps, and nats of the whole."""
        if self.steps is None:
            return []
        nats = self.scores["nll"].cpu() * self.steps
        return [[f"{int(n)}" for n in self.steps.tolist()], [f"{value:.6g}" for value in nats.tolist()]]

    def write_csv(self, path: str | Path) -> Path:
        """Write the table, whole or not at all.

        A name that a spreadsheet would run, or that is no text, is written as `hvae.screen.text.for_cell` says.
        """
        rows, names = self.rows(), ["file"] * bool(self.files) + [*HEADS[:2]] * bool(self.odd)
        write_text(Path(path), as_csv(rows, [rows[0].index(name) for name in names]))
        return Path(path)


def as_csv(rows: Sequence[Sequence[str]], names: Collection[int]) -> str:
    """Rows as the text of a CSV file; in the columns `names` are names of others, made fit for cells.

    >>> print(as_csv([["index", "file"], ["0", "=1+1"]], [1]).replace("\\r", ""), end="")
    index,file
    0,'=1+1
    """
    text = io.StringIO()
    writer = csv.writer(text)
    for row in rows:
        writer.writerow([for_cell(cell) if i in names else cell for i, cell in enumerate(row)])
    return text.getvalue()


def counted(normal: NormalRanges, scores: Mapping[str, Tensor]) -> dict[str, Range]:
    """The normal range of each score, and how many images lie below and above it."""
    return {
        name: Range(
            low=normal.low[name],
            high=normal.high[name],
            below=int((scores[name] < normal.low[name]).sum()),
            above=int((scores[name] > normal.high[name]).sum()),
        )
        for name in normal.middle
    }
