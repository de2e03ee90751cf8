"""Do free runs move as recorded sequences do, and where not: is it so under teacher forcing too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from hvae.metrics.free_run import FreeRunResult, Movement, free_run
from hvae.reporting.data import Sheet
from hvae.screen.numbers import number
from hvae.study.measure import Headline, Measure, spread

if TYPE_CHECKING:
    from hvae.study.evaluation import Evaluation
    from hvae.study.work import Work

DATA, RUNS, STEPS = 200, 32, 500
"""Sequences and free runs, and steps of a run at most: those of the longest sequence."""


class FreeRun(Measure[FreeRunResult]):
    """The spread of values and of their changes: recorded, drawn after recorded steps, and run freely."""

    name = "free-run"
    about = "how free runs move beside recorded sequences and beside draws that follow recorded steps"
    cost = "costly"
    place = 35
    is_for = "sequences"
    result = FreeRunResult
    units: ClassVar[Mapping[str, str]] = {
        "values_ratio": "variance of the values of free runs over that of the recorded ones, each over all steps",
        "changes_ratio": "the same of the changes from one step to the next",
    }

    def take(self, work: Work) -> FreeRunResult:
        """On the first sequences."""
        steps = min(STEPS, int(work.sequences.lengths[:DATA].max()))
        with work.bar("free runs") as tick:
            return free_run(
                work.model,
                work.batches(DATA),
                runs=min(RUNS, work.rows),
                steps=steps,
                seed=work.config.seed,
                progress=tick,
            )

    def obstacle(self, work: Work) -> str:
        """Numbers have a variance."""
        if not work.model.timed:
            return "sequences are needed, and these are images or vectors"
        return "" if len(work.model.shape) > 1 else "numbers or keys are needed, and these data are tokens"

    def headlines(self, result: FreeRunResult, evaluation: Evaluation) -> Iterator[Headline]:
        """What of the movement of the recorded sequences is in free runs."""
        note = f"variance of changes from step to step, {result.runs} free runs of {result.steps:,} steps; "
        note += f"after recorded steps {number(result.taught.changes / result.recorded.changes)}"
        yield Headline("free runs move", f"{spread(result.changes_ratio)} times", note)

    def sheets(self, result: FreeRunResult) -> Iterator[Sheet]:
        """A row for each of the three."""
        yield Sheet(
            title="Free runs beside recorded sequences",
            heads=("variance, mean over the values of a step", "values", "changes"),
            rows=[
                _row(f"{result.data:,} recorded sequences", result.recorded),
                _row("draws after recorded steps", result.taught),
                _row(f"{result.runs} free runs of {result.steps:,} steps", result.free),
                ("free over recorded", spread(result.values_ratio), spread(result.changes_ratio)),
            ],
            note="changes from one step to the next; where draws after recorded steps move as the recorded ones do and "
            "free runs do not, errors feed on themselves; intervals over free runs",
        )


def _row(name: str, of: Movement) -> tuple[str, ...]:
    return name, number(of.values), number(of.changes)
