"""How samples compare with real images, by the features of one network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import torch

from hvae.errors import HvaeError
from hvae.metrics.distances import SPLITS, class_score
from hvae.metrics.quality import ClassScore, QualityResult, enough_for_all, quality
from hvae.screen.numbers import number
from hvae.seeds import part_seed
from hvae.study.measure import Headline, Measure, Ranked
from hvae.study.network import check_name, chosen
from hvae.study.progress import Tick
from hvae.study.work import fault

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.config.evaluate import EvaluateConfig
    from hvae.study.evaluation import Evaluation
    from hvae.study.work import Work
    from hvae.trust import Trust

HIDDEN = 128
"""Features of the home-made classifier."""


@dataclass(frozen=True, kw_only=True)
class SamplesResult(QualityResult):
    """Distances of samples from data, and how the samples were drawn."""

    samples: str


class Quality(Measure[SamplesResult]):
    """FID and its like, of samples with their pixels drawn."""

    name = "quality"
    about = "FID, KID, precision, recall, density, coverage and inception score of samples"
    cost = "costly"
    place = 50
    settings = ("features", "features_size", "features_channels", "generated")
    is_for = "others"
    result = SamplesResult

    def take(self, work: Work) -> SamplesResult:
        """Draw, and compare with as many real images."""
        many = _compared(work)
        real, judge = work.batches(many), _Judge(work)
        with work.bar("features of samples") as tick, work.bar("distances") as compared:
            generated = judge.watched(_sampled(work, many))
            result = quality(
                real,
                generated,
                work.extractor,
                seed=work.config.seed,
                progress=_both(tick, len(real)),
                compared=compared,
            )
        solver = f", {work.config.solver}" if work.config.solver else ""
        values = vars(result) | {"inception_score": judge.score() or result.inception_score}
        return SamplesResult(**values, samples=f"pixels drawn, temperature 1{solver}")

    def check(self, config: EvaluateConfig, trust: Trust) -> None:
        """A network of the user's is code."""
        check_name(config.features, trust)

    def obstacle(self, work: Work) -> str:
        """Enough images for the features, which a network must be able to take."""
        from hvae.explore.sample import check_solver

        needs_labels = work.config.features == "classifier"
        return (
            work.no_images()
            or (work.no_classifier() if needs_labels else "")
            or fault(check_solver, work.model, work.config.solver)
            or fault(_check_count, work)
        )

    def headlines(self, result: SamplesResult, evaluation: Evaluation) -> Iterator[Headline]:
        """Each distance with what it depends on."""
        of = f"{result.generated:,} samples ({result.samples}), {result.real:,} real; {result.extractor}"
        yield Headline("FID", number(result.fid), f"{of}; resizing {result.resizing}; {result.note}")
        subsets = f"100 subsets of {result.kid_subset:,}" if result.kid_subset else "its subsets"
        value = f"{number(result.kid)} ± {number(result.kid_deviation)}"
        yield Headline("KID", value, f"deviation over {subsets}; same samples")
        yield Headline("precision, recall", f"{result.precision:.3f}, {result.recall:.3f}", "same samples")
        yield Headline("density, coverage", f"{result.density:.3f}, {result.coverage:.3f}", "same samples")
        if score := result.inception_score:
            own = score.classifier == result.extractor
            whose = "the same network and samples" if own else f"{score.classifier}, not the Inception network"
            value = f"{number(score.mean)} ± {number(score.deviation)}"
            yield Headline("inception score", value, f"deviation over {SPLITS} parts; by {whose}")
        elif line := result.no_inception_score:
            yield Headline("inception score", "not measured", line)

    def ranked(self, result: SamplesResult, evaluation: Evaluation) -> Iterator[Ranked]:
        """Without the extractor and the counts distances mean nothing."""
        by = f" ({result.extractor}; {result.real:,} real, {result.generated:,} generated)"
        yield Ranked(f"FID{by}", result.fid, is_low_better=True)
        yield Ranked(f"KID{by}", result.kid, is_low_better=True)
        yield Ranked(f"precision{by}", result.precision)
        yield Ranked(f"recall{by}", result.recall)
        yield Ranked(f"density{by}", result.density)
        yield Ranked(f"coverage{by}", result.coverage)
        if score := result.inception_score:
            title = f"inception score ({score.classifier}; {result.generated:,} generated)"
            yield Ranked(title, score.mean)


def _compared(work: Work) -> int:
    return min(work.config.generated, len(work.split))


def _both(tick: Tick, batches: int) -> Callable[[int, int], None]:
    """Progress of two sets together, though each tells of its own alone."""
    pieces = count(1)
    return lambda done, total: tick(next(pieces), 2 * batches)


def _sampled(work: Work, many: int) -> Iterator[Tensor]:
    from hvae.explore import sample_pixels
    from hvae.explore.frame import context_of

    size = work.batches().size
    for place, start in enumerate(range(0, many, size)):
        # A seed for each batch: the pictures depend on their place alone.
        seed, n = part_seed(work.config.seed, place), min(size, many - start)
        context = context_of(work.model, work.split.batch(range(start, start + n)))
        yield (
            sample_pixels(work.model, n, context=context, solver=work.config.solver, seed=seed, chunk=size)
            .float()
            .cpu()
        )


class _Judge:
    """The inception score by the home-made classifier, of pictures on their way to a network without classes."""

    def __init__(self, work: Work) -> None:
        self.classifier = None if work.extractor.classify or _no_score(work) else work.classifier
        self.seen: list[Tensor] = []

    def watched(self, pictures: Iterable[Tensor]) -> Iterator[Tensor]:
        for x in pictures:
            if self.classifier:
                self.seen.append(self.classifier.probabilities(x))
            yield x

    def score(self) -> ClassScore | None:
        """None where there are no labels, or too few pictures for ten splits."""
        if not self.classifier:
            return None
        mean, deviation = class_score(torch.cat(self.seen))
        return ClassScore(mean=mean, deviation=deviation, classifier=self.classifier.describe())


def _no_score(work: Work) -> str:
    labels = work.subject.data.train.labels
    if (line := work.no_classifier()) or labels is None:
        return line
    least = SPLITS * len(labels.unique())
    return "" if _compared(work) >= least else f"{least} pictures are needed for an inception score"


def _check_count(work: Work) -> None:
    """Raises HvaeError where too few would be compared, before anything is sampled or trained."""
    many = _compared(work)
    enough_for_all(many, many, HIDDEN if chosen(work) == "classifier" else _width(work))


def _width(work: Work) -> int:
    """How many features a network has, tried on two images.  Raises HvaeError when it cannot take them."""
    config, two = work.config, work.images.pictures(range(min(2, len(work.split))))
    try:
        return work.extractor(two).shape[1]
    except HvaeError:
        raise
    except Exception as fault:  # a network of the user's can raise anything
        form = f"{config.features_channels} channels and {config.features_size or 'their own'} pixels a side"
        raise HvaeError(
            f"{config.features} does not take pictures of {form} ({str(fault)[:100].partition(chr(10))[0]}); expected "
            "a network, with evaluate.features_channels and evaluate.features_size as it wants them"
        ) from fault
