"""The measures that are taken when they are asked for: they need labels, factors or thousands of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

from hvae.cli.evaluation.network import chosen
from hvae.cli.evaluation.work import Work, fault
from hvae.cli.voice import Tick
from hvae.errors import HvaeError

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.metrics import Codes

CODED = 2_000
"""Data whose codes are looked at, at most."""
DIMS = 256
"""Dimensions of a level looked at, those that vary most: a probe of a whole picture of latents learns its noise."""
HIDDEN = 128
"""Features of the home-made classifier."""


def classes(work: Work) -> dict[str, Any]:
    from hvae.metrics.probe import classes

    labels = work.split.labels
    assert labels is not None
    found, seed = _codes(work), work.config.seed
    with work.bar("probe and clusters") as tick:
        result = classes(found, labels[: len(found)], seed=seed, progress=tick).to_dict()
    return {**result, "dims_at_most": DIMS}


def no_classes(work: Work) -> str:
    from hvae.metrics.probe import known_classes

    labels = work.split.labels
    if labels is None:
        return f"labels are needed, and {work.subject.data.provenance.name} has none"
    return fault(known_classes, labels[:CODED], min(CODED, len(work.split)))


def _codes(work: Work) -> Codes:
    from hvae.metrics import codes

    kind, seed = work.config.codes, work.config.seed
    with work.bar(f"codes ({kind})") as tick:
        return codes(work.model, work.batches(CODED), kind, most=DIMS, seed=seed, progress=tick)


def disentanglement(work: Work) -> dict[str, Any]:
    from hvae.metrics import disentanglement

    table, names = _factors(work)
    found = _codes(work)
    with work.bar("disentanglement") as tick:
        return disentanglement(found, table, names, seed=work.config.seed, progress=tick).to_dict()


def no_factors(work: Work) -> str:
    from hvae.metrics.disentangle import as_factors

    def check() -> None:
        table, _ = _factors(work)
        as_factors(table, len(table))

    return fault(check)


def _factors(work: Work) -> tuple[Tensor, tuple[str, ...]]:
    """The factors of the data whose codes are looked at, (N, F), and their names."""
    from hvae.data.factors import read_factors

    split, source = work.split, work.config.factors
    if source:
        known = read_factors(source)
        return known.of(split)[:CODED], known.names
    if split.factors is None:
        name = work.subject.data.provenance.name
        raise HvaeError(f"factors are needed, and {name} has none; give their file by --evaluate.factors FILE.npz")
    return split.factors[:CODED], work.subject.data.factors


def quality(work: Work) -> dict[str, Any]:
    """Samples with their pixels drawn against real images, by the features of one network."""
    from hvae.metrics import quality

    many = _compared(work)
    real, judge = work.batches(many), _Judge(work)
    with work.bar("features of samples") as tick, work.bar("distances") as compared:
        generated = judge.watched(_sampled(work, many))
        told = {"progress": _both(tick, len(real)), "compared": compared}
        found = quality(real, generated, work.extractor, seed=work.config.seed, **told)
    return {**found.to_dict(), "samples": "pixels drawn, temperature 1", **judge.score()}


def _compared(work: Work) -> int:
    return min(work.config.generated, len(work.split))


def _both(tick: Tick, batches: int) -> Callable[[int, int], None]:
    """Progress of two sets together, though each tells of its own alone."""
    told = count(1)
    return lambda done, total: tick(next(told), 2 * batches)


def _sampled(work: Work, many: int) -> Iterator[Tensor]:
    from hvae.explore import sample_pixels
    from hvae.explore.frame import context_of

    size = work.batches().size
    for number, start in enumerate(range(0, many, size)):
        # A seed for each batch: the pictures depend on their place alone.
        seed, n = work.config.seed * 1_000_003 + number, min(size, many - start)
        context = context_of(work.model, work.split.batch(range(start, start + n)))
        yield sample_pixels(work.model, n, context=context, seed=seed, chunk=size).float().cpu()


class _Judge:
    """The inception score by the home-made classifier, of pictures on their way to a network without classes."""

    def __init__(self, work: Work) -> None:
        self.classifier = None if work.extractor.classify or no_score(work) else work.classifier
        self.seen: list[Tensor] = []

    def watched(self, pictures: Iterable[Tensor]) -> Iterator[Tensor]:
        for x in pictures:
            if self.classifier:
                self.seen.append(self.classifier.probabilities(x))
            yield x

    def score(self) -> dict[str, Any]:
        """Nothing where there are no labels, or too few pictures for ten splits."""
        import torch

        from hvae.metrics import class_score

        if not self.classifier:
            return {}
        mean, deviation = class_score(torch.cat(self.seen))
        return {"inception_score": {"mean": mean, "deviation": deviation, "classifier": self.classifier.describe()}}


def no_score(work: Work) -> str:
    from hvae.metrics.quality import SPLITS

    labels = work.subject.data.train.labels
    if (line := work.no_classifier()) or labels is None:
        return line
    least = SPLITS * len(labels.unique())
    return "" if _compared(work) >= least else f"{least} pictures are needed for an inception score"


def no_comparison(work: Work) -> str:
    """Why samples cannot be compared with images, found before anything is sampled or trained."""
    from hvae.metrics.quality import enough_for_all

    def check() -> None:
        many = _compared(work)
        enough_for_all(many, many, HIDDEN if chosen(work) == "classifier" else _width(work))

    if not work.images:
        return "images are needed, and these data are vectors"
    needs_labels = work.config.features == "classifier"
    return (work.no_classifier() if needs_labels else "") or fault(check)


def _width(work: Work) -> int:
    """How many features a network has, tried on two images.  Raises HvaeError when it cannot take them."""
    config, two = work.config, work.split.pictures(range(min(2, len(work.split))))
    try:
        return work.extractor(two).shape[1]
    except HvaeError:
        raise
    except Exception as fault:  # a network of the user's can raise anything
        asked = f"{config.features_channels} channels and {config.features_size or 'their own'} pixels a side"
        raise HvaeError(
            f"{config.features} does not take pictures of {asked} ({str(fault)[:100].partition(chr(10))[0]}); expected "
            "a network, with evaluate.features_channels and evaluate.features_size as it wants them"
        ) from fault
