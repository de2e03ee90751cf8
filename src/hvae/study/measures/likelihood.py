"""The bounds on the likelihood, and what each level spends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import exp, log
from typing import TYPE_CHECKING, ClassVar

from hvae import metrics
from hvae.engine import TORCH
from hvae.metrics.likelihood_result import Averages, BlockBounds, Extremes, LikelihoodResult, StepBounds
from hvae.metrics.results import Estimate
from hvae.screen.numbers import counted, number, share
from hvae.study.measure import Column, Headline, Measure, Ranked, spread

if TYPE_CHECKING:
    from hvae.data import Provenance
    from hvae.study.evaluation import Evaluation
    from hvae.study.work import Work


class Likelihood(Measure[LikelihoodResult]):
    """The ELBO, the importance-weighted bound with K samples, and the rate of each level."""

    name = "likelihood"
    about = "-ELBO and IW-K with their intervals, effective samples, and the rate of each level"
    cost = "quick"
    place = 10
    settings = ("block",)
    is_for_page = True
    result = LikelihoodResult
    units: ClassVar[Mapping[str, str]] = {
        "negative_elbo_nats": "nats a datum; above -log p(x) in expectation, -log p(x given y) where `given` names y",
        "negative_iw_nats": "nats a datum; the importance-weighted bound with K = samples, between -log p(x) and -ELBO",
        "blocks": "the bound with M of the same draws, the mean over K / M blocks; gain_nats, IW-K - IW-M by datum",
        "reconstruction_nats": "nats a datum; -E_q[log p(x given z)]",
        "bits_per_dim": "bits a value of a datum; none for densities; of sequences over all values that exist",
        "frame_average": "nats a step; the sum over all steps of all sequences, divided by their number",
        "sequence_mean": "nats a step; mean over sequences of what each has for a step of its own",
        "rate_nats": "nats a datum; KL(q || p) of a level",
        "median_nats": "nats a datum; the median of -ELBO, where a few data make the mean",
        "rest_nats": "nats a datum; mean -ELBO without these few: no bound of the data",
    }

    def take(self, work: Work) -> LikelihoodResult:
        """The bounds; an interrupted one goes on from the draws that were taken."""
        config, engine = work.config, work.engine or TORCH
        # Of a thousand levels each draw takes minutes: the key stands where people wait.
        with work.bar(f"likelihood, K = {config.draws} (evaluate.samples)") as tick:
            return metrics.bounds(
                work.model,
                work.batches(),
                config.draws,
                chunk_rows=work.rows,
                seed=config.seed,
                block=config.block,
                progress=tick,
                done=work.earlier_draws,
                keep=work.keep_draws,
                engine=engine,
            )

    def headlines(self, result: LikelihoodResult, evaluation: Evaluation) -> Iterator[Headline]:
        """Each bound with its interval, K, and the data that it is of: without them it compares with nothing."""
        k, of = result.samples, task(result, evaluation.split, evaluation.data)
        about = f"upper bound on -log {result.of}, K = {k}, {of}"
        yield Headline("-ELBO", f"{spread(result.negative_elbo_nats)} nats", about)
        if result.extremes:
            yield _extremes(result.extremes, result.data)
        draws = f"effective samples {number(result.effective_samples)} of {k}"
        bound = f"-IW-{k}"
        kind = f"tighter bound, K = {k}{_incomplete(result)}"
        yield Headline(bound, f"{spread(result.negative_iw_nats)} nats", f"{kind}, {draws}, {of}")
        if result.blocks:
            yield _blocks(result.blocks, bound)
        if result.iw_bits_per_dim and result.elbo_bits_per_dim and evaluation.data.bits > 1:
            # With one sample the bound is the ELBO, whose rates are closed forms.
            whose, bits = (bound, result.iw_bits_per_dim) if k > 1 else ("-ELBO", result.elbo_bits_per_dim)
            yield Headline(
                _bits_name(evaluation.data), spread(bits), f"from {whose}, {result.dims:,} values a datum, {of}"
            )
        if result.steps:
            yield from _per_step(result, result.steps, evaluation.data)
        yield from _protocol(result, evaluation)

    def columns(self, result: LikelihoodResult, evaluation: Evaluation) -> Iterator[Column]:
        """The rate of each level, where no measure says how levels are used.

        Those of other walks differ in their last digits, and verdict, cards and table shall name one number.
        """
        if evaluation.uses():
            return
        yield Column("nats", {name: number(level.rate_nats) for name, level in result.levels.items()})
        yield Column("nats/dim", {n: number(level.rate_nats_per_dim) for n, level in result.levels.items()}, leaves=2)

    def ranked(self, result: LikelihoodResult, evaluation: Evaluation) -> Iterator[Ranked]:
        """A bound and its K are of the title: columns of other bounds are not ranked with it."""
        yield from _bound("-ELBO", result.negative_elbo_nats, "nats")
        if result.samples > 1:
            yield from _bound(f"-IW-{result.samples}", result.negative_iw_nats, "nats")
        if result.steps:
            whose = {"-ELBO": result.steps.negative_elbo_nats, f"-IW-{result.samples}": result.steps.negative_iw_nats}
            for name, both in whose.items():
                yield from _bound(f"{name}, frame average", both.frame_average, "nats")
        if evaluation.data.bits > 1:
            yield from _bound("-ELBO", result.elbo_bits_per_dim, _bits_name(evaluation.data))
        if evaluation.data.bits > 1 and result.samples > 1:
            yield from _bound(f"-IW-{result.samples}", result.iw_bits_per_dim, _bits_name(evaluation.data))


def _blocks(blocks: BlockBounds, bound: str) -> Headline:
    gain = f"{bound} is {spread(blocks.gain_nats)} nats below, datum by datum"
    note = f"mean over blocks of {blocks.samples:,} of the same draws; {gain}"
    return Headline(f"-IW-{blocks.samples}", f"{spread(blocks.negative_iw_nats)} nats", note)


def task(result: LikelihoodResult, split: str, data: Provenance) -> str:
    """The data of a number: how many of which, in which version, depth and binarisation."""
    binarisation = f"{data.binarisation} binarisation" if data.binarisation != "none" else "not binarised"
    version = version_of(data)
    form = f"{'x'.join(map(str, data.shape))}, {data.bits} bit, {binarisation}, {version}"
    if data.sequences and result.steps:
        size = f" of {'x'.join(map(str, data.shape[1:]))}" if data.shape[1:] else ""
        form = f"{result.steps.steps:,} {data.sequences.step}s{size}, all scored, {version}"
    if data.columns:
        form = f"{counted(len(data.columns), 'column')}, {version}"
    density = "; a density, not comparable with bits" if result.likelihood == "density" else ""
    return f"{result.data:,} {split} data of {data.name} ({form}){density}"


def version_of(data: Provenance) -> str:
    """Which version of the data it is, in words: names of a user's own have a colon, and nobody has published these."""
    return data.version or ("as they are" if ":" in data.name else "as published")


def _bits_name(data: Provenance) -> str:
    """What bits a value are called of these data."""
    form = data.sequences
    names = {"audio": "bits a sample", "text": f"bits a {form.step}"} if form else {}
    return names.get(form.kind, "bits/dim") if form else "bits/dim"


def _units(data: Provenance) -> str:
    """How densities of standardised numbers become those of numbers in their own units."""
    scales = [scale for scale in data.sequences.scale if scale > 0] if data.sequences else []
    if not scales:
        return ""
    return f"; of standardised numbers: for their own units add {sum(map(log, scales)):.2f} nats a {_step(data)}"


def _step(data: Provenance) -> str:
    return data.sequences.step if data.sequences else "step"


def _extremes(extremes: Extremes, data: int) -> Headline:
    """That a mean is that of a few data."""
    note = f"data whose -ELBO lies a thousand deviations above the median, {number(extremes.median_nats)} nats: the "
    note += f"mean is theirs. The others have {spread(extremes.rest_nats)} nats, which bounds nothing of these data. "
    note += "Look at them with hvae score; where they are as others are, latents grow from level to level: train with "
    note += "train.clip, a lower train.lr, or another model.variance (below-two)"
    return Headline("extremes", f"{extremes.count:,} of {data:,}", note)


def _per_step(result: LikelihoodResult, steps: StepBounds, data: Provenance) -> Iterator[Headline]:
    """Bounds a step, by both averages; and what they are called where data have a name of their own for it."""
    word = _step(data)
    bounds = {"-ELBO": steps.negative_elbo_nats, f"-IW-{result.samples}": steps.negative_iw_nats}
    for name, both in bounds.items():
        note = f"frame average: sum over all {steps.steps:,} {word}s; sequence mean {spread(both.sequence_mean)}"
        yield Headline(
            f"{name} a {word}", f"{spread(both.frame_average)} nats", f"{note}; bounds of whole sequences{_units(data)}"
        )
    rate = steps.rate_nats
    note = f"frame average, all levels; sequence mean {spread(rate.sequence_mean)}"
    yield Headline(f"rate a {word}", f"{spread(rate.frame_average)} nats", note)
    if data.sequences and data.sequences.kind == "text":
        yield from _perplexity(bounds, word)


def _perplexity(bounds: Mapping[str, Averages], word: str) -> Iterator[Headline]:
    """exp of nats a token, end tokens and the rate of all levels included."""
    texts = {name: number(exp(both.frame_average.mean)) for name, both in bounds.items()}
    ends = "end tokens are counted, and so are the nats of the latents"
    (first, one), (second, other) = texts.items()
    yield Headline(f"perplexity a {word}", other, f"exp of {second} a {word}; {one} by {first}; {ends}")


def _protocol(result: LikelihoodResult, evaluation: Evaluation) -> Iterator[Headline]:
    # Records of before protocols had names lack it.
    protocol = evaluation.protocol
    if not protocol:
        return
    yield Headline("protocol", protocol.name, protocol.sentence(result.samples, result.data))
    if protocol.stated:
        value, _, whose = protocol.stated.partition(", ")
        yield Headline("stated", value, f"{whose}, by the same protocol")


def _bound(title: str, estimate: Estimate | None, unit: str) -> Iterator[Ranked]:
    if estimate:
        yield Ranked(f"{title}, {unit}", estimate.mean, estimate.standard_error, is_low_better=True)


def _incomplete(result: LikelihoodResult) -> str:
    """What the bound is called where values are missing: that of Mattei and Frellsen 2019, arXiv 1812.02633."""
    return f", MIWAE: {share(result.missing, 1)} of values are not observed and do not count" if result.missing else ""
