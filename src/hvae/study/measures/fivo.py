"""The bound of a particle filter on sequences, beside those of whole draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from hvae.metrics.particles import FilterResult, filter_bounds
from hvae.screen.numbers import share
from hvae.study.measure import Headline, Measure, Ranked, spread

if TYPE_CHECKING:
    from hvae.study.evaluation import Evaluation
    from hvae.study.work import Work


class Fivo(Measure[FilterResult]):
    """FIVO-K: K particles are drawn anew in proportion to their weights wherever few of them carry the weight."""

    name = "fivo"
    about = "-FIVO-K, the bound of a particle filter, by both averages over steps, and how often it resamples"
    cost = "costly"
    place = 30
    settings = ("threshold",)
    is_for = "sequences"
    is_of_levels = True
    result = FilterResult
    units: ClassVar[Mapping[str, str]] = {
        "negative_fivo_nats": "nats a datum; the bound of a particle filter, above -log p(x) in expectation",
        "resampled": "share of the steps of a sequence after which its particles are drawn anew",
    }

    def take(self, work: Work) -> FilterResult:
        """As many particles as the likelihood has draws."""
        config = work.config
        with work.bar(f"particle filter, K = {config.draws}") as tick:
            return filter_bounds(
                work.model,
                work.batches(),
                config.draws,
                threshold=config.threshold,
                chunk_rows=work.rows,
                seed=config.seed,
                progress=tick,
            )

    def obstacle(self, work: Work) -> str:
        """A filter goes step by step."""
        from hvae.walk import Stepwise

        if not work.model.timed:
            return "sequences are needed, and these are images or vectors"
        goes = isinstance(work.model, Stepwise)
        return "" if goes else "this model draws latents of many steps at once; vrnn, srnn and dmm go step by step"

    def headlines(self, result: FilterResult, evaluation: Evaluation) -> Iterator[Headline]:
        """The bound of whole sequences and of a step, with K, the rule of resampling, and how often it held."""
        form = evaluation.data.sequences
        name, word = f"-FIVO-{result.particles}", form.step if form else "step"
        yield Headline(
            name, f"{spread(result.negative_fivo_nats)} nats", f"upper bound on -log p(x) of {result.data:,} sequences"
        )
        yield Headline(
            f"{name} a {word}",
            f"{spread(result.steps.frame_average)} nats",
            f"frame average; sequence mean {spread(result.steps.sequence_mean)}; {_rule(result, word)}",
        )

    def ranked(self, result: FilterResult, evaluation: Evaluation) -> Iterator[Ranked]:
        """K and the rule are of the title: bounds by others are not ranked with it."""
        title = f"-FIVO-{result.particles} (threshold {result.threshold:g}), frame average, nats"
        average = result.steps.frame_average
        yield Ranked(title, average.mean, average.standard_error, is_low_better=True)


def _rule(result: FilterResult, word: str) -> str:
    """When particles are drawn anew, and how often they were."""
    if not result.threshold:
        return f"{result.particles} particles, never drawn anew: an importance-weighted bound"
    return (
        f"{result.particles} particles, drawn anew below {result.threshold * result.particles:g} effective ones: "
        f"after {share(result.resampled, 1)} of the {word}s"
    )
