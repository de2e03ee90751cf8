"""How the codes of each level are used, and what one costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from hvae.metrics.codebook import CodebookResult, LevelCodes, codebook, has_codes
from hvae.reporting.data import Sheet
from hvae.study.measure import Column, Headline, Measure, Ranked, spread

if TYPE_CHECKING:
    from hvae.study.evaluation import Evaluation
    from hvae.study.work import Work


class Codebook(Measure[CodebookResult]):
    """Perplexity, use and bits of codes, and MSE over variance."""

    name = "codebook"
    about = "perplexity and use of each codebook, bits a code, and MSE over variance"
    cost = "quick"
    place = 50
    result = CodebookResult
    units: ClassVar[Mapping[str, str]] = {
        "mse_over_variance": "mean squared error of reconstructions over the variance of the data, over all values",
        "perplexity": "exp of the entropy of the shares of a level's codes over all data and positions; 1 to K",
        "order0_bits": "bits a code, of its share alone",
        "bits": "bits a code, as the prior charges it",
    }

    def take(self, work: Work) -> CodebookResult:
        """On all data: a code that is seldom needed is not dead."""
        with work.bar("use of the codebooks") as tick:
            return codebook(work.model, work.batches(), seed=work.config.seed, progress=tick)

    def concerns(self, work: Work) -> bool:
        """Models with codes."""
        return has_codes(work.model)

    def obstacle(self, work: Work) -> str:
        """A level with codes."""
        return "" if has_codes(work.model) else "no level of this model has a codebook"

    def headlines(self, result: CodebookResult, evaluation: Evaluation) -> Iterator[Headline]:
        """What comes back, and at what cost."""
        of = f"{result.data:,} data"
        yield Headline("MSE/variance", f"{result.mse_over_variance:.4f}", f"reconstructions of {of}, over all values")
        priors = ", ".join(f"{name} {_prior(level)}" for name, level in result.levels.items())
        yield Headline("codes", f"{spread(result.bits_per_dim)} bits/dim", f"of all codes together; {priors}; {of}")

    def columns(self, result: CodebookResult, evaluation: Evaluation) -> Iterator[Column]:
        """Of each level."""
        levels = result.levels.items()
        yield Column("perplexity", {name: f"{level.perplexity:,.0f}" for name, level in levels}, leaves=5)
        yield Column("codes used", {name: f"{level.used:,} of {level.codes:,}" for name, level in levels}, leaves=6)
        yield Column("bits/code", {name: f"{level.bits.mean:.2f}" for name, level in levels}, leaves=8)

    def notes(self, result: CodebookResult) -> Iterator[str]:
        """What stands for the whole."""
        yield f"perplexity and codes used: over all positions of {result.data:,} data"

    def sheets(self, result: CodebookResult) -> Iterator[Sheet]:
        """A row for each codebook."""
        yield Sheet(
            title="The codebooks in use",
            heads=("level", "codes", "never used", "perplexity", "order-0 bits/code", "prior", "bits/code"),
            rows=[_row(name, level) for name, level in result.levels.items()],
            note=f"over all positions of {result.data:,} data; order-0: the entropy of the shares, neighbours unseen",
        )

    def ranked(self, result: CodebookResult, evaluation: Evaluation) -> Iterator[Ranked]:
        """The error; the use of codes has no better or worse by itself."""
        yield Ranked(f"MSE/variance of {result.data:,} reconstructions", result.mse_over_variance, is_low_better=True)


def _prior(level: LevelCodes) -> str:
    return f"uniform over {level.codes:,} codes" if level.is_uniform else "by its trained prior"


def _row(name: str, level: LevelCodes) -> tuple[str, ...]:
    prior = "uniform" if level.is_uniform else "trained"
    use = (f"{level.codes:,}", f"{level.codes - level.used:,}", f"{level.perplexity:,.1f}")
    return name, *use, f"{level.order0_bits:.3f}", prior, f"{level.bits.mean:.3f}"
