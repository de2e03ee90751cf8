"""What models that a person can write down say of the same sequences."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from hvae.metrics.likelihood import averages
from hvae.metrics.likelihood_result import Averages
from hvae.metrics.results import plain
from hvae.records import JSON
from hvae.reporting.data import Sheet
from hvae.study.measure import Measure, spread

if TYPE_CHECKING:
    import numpy as np

    from hvae.data import SequenceSplit
    from hvae.data.sequences.form import SequenceForm
    from hvae.metrics.baselines import Baseline, Steps
    from hvae.study.work import Work


@dataclass(frozen=True, kw_only=True)
class BaselinesResult:
    """-log p a step by each model, fitted to the training sequences and scored on the sequences of the evaluation."""

    data: int
    steps: int
    values: int
    """Values of one step."""
    step: str
    """What a step is called."""
    nats: dict[str, Averages]
    """Nats a step, by model."""
    bits_per_value: dict[str, float]
    """Bits a value, by model; of sound by FLAC too, where it can be written here."""

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        values: JSON = plain(self)
        return values


class Baselines(Measure[BaselinesResult]):
    """Marginals and Markov chains by counting, autoregressions by least squares; FLAC beside sound."""

    name = "baselines"
    about = "what counting alone says of the same sequences: marginals, Markov chains, AR(2), FLAC"
    cost = "quick"
    place = 100
    is_for = "sequences"
    result = BaselinesResult
    units: ClassVar[Mapping[str, str]] = {"baselines": "nats a step by models that are fitted by counting"}

    def take(self, work: Work) -> BaselinesResult:
        """Fit and score each."""
        from hvae.data import SequenceData

        data = work.subject.data
        assert isinstance(data, SequenceData)
        form, test = data.form, work.sequences
        train, scored = _steps(data.train), _steps(test)
        values = max(1, scored.values[0].numel())
        nats = {}
        with work.bar("baselines") as tick:
            models = _models(form, data.bits)
            for done, (name, model) in enumerate(models.items(), 1):
                nats[name] = averages(model(train, scored), test.lengths.double())
                tick(done, len(models))
        bits = {name: both.frame_average.mean / math.log(2) / values for name, both in nats.items()}
        if form.kind == "audio":
            bits |= _flac(test, form, data.bits)
        return BaselinesResult(
            data=len(test),
            steps=test.steps,
            values=values,
            step=form.step,
            nats=nats,
            bits_per_value={} if form.kind == "motion" else bits,
        )

    def obstacle(self, work: Work) -> str:
        """They are of sequences whose kind is known."""
        from hvae.data import SequenceData

        data = work.subject.data
        if not isinstance(data, SequenceData):
            return "sequences are needed, and these are images or vectors"
        return "" if _models(data.form, data.bits) else f"nothing is counted of sequences of {data.form.kind}"

    def sheets(self, result: BaselinesResult) -> Iterator[Sheet]:
        """A row for each model."""
        names = list(dict.fromkeys([*result.nats, *result.bits_per_value]))
        yield Sheet(
            title="What counting alone would do",
            heads=("model", "bits a value", "frame average, nats", "sequence mean, nats"),
            rows=[_row(name, result) for name in names],
            note=f"fitted to the training sequences, scored on the same {result.data:,} sequences of {result.steps:,} "
            f"{result.step}s as the bounds above",
        )


def _row(name: str, result: BaselinesResult) -> tuple[str, ...]:
    both, bits = result.nats.get(name), result.bits_per_value.get(name)
    nats = (spread(both.frame_average), spread(both.sequence_mean)) if both else ("", "")
    return (name, f"{bits:.3f}" if bits is not None else "", *nats)


def _models(form: SequenceForm, bits: int) -> Mapping[str, Baseline]:
    from hvae.metrics import baselines

    size = len(form.symbols)
    pairs = {"bigram": partial(baselines.bigram, symbols=size)} if size <= baselines.MOST_SYMBOLS else {}
    by_kind: Mapping[str, Mapping[str, Baseline]] = {
        "rolls": baselines.ROLLS,
        "motion": baselines.MOTION,
        "text": {"unigram": partial(baselines.unigram, symbols=size), **pairs},
        "audio": {"first differences, order 0": partial(baselines.differences, levels=2**bits)},
    }
    return by_kind.get(form.kind, {})


def _steps(split: SequenceSplit) -> Steps:
    import torch

    from hvae.metrics.baselines import Steps

    return Steps(torch.cat([split.levels(index) for index in range(len(split))]), split.lengths)


def _flac(split: SequenceSplit, form: SequenceForm, bits: int) -> dict[str, float]:
    """Bits a sample of FLAC files of the same sequences; nothing without the library, and for levels of other laws."""
    if form.law != "linear" or bits not in (8, 16):
        return {}
    each = [split.levels(index).flatten().numpy() for index in range(len(split))]
    sizes = [flac(levels, form.rate, bits) for levels in each]
    return {"FLAC (a file each)": 8 * sum(sizes) / sum(map(len, each))} if all(sizes) else {}


def flac(levels: np.ndarray[Any, Any], rate: int, bits: int) -> int:
    """Bytes of a FLAC file of levels (N,) of 8 or 16 bits; 0 without the library that writes it."""
    try:
        import soundfile
    except ImportError:
        return 0
    out = io.BytesIO()
    samples = ((levels.astype("int32") - 2 ** (bits - 1)) << (32 - bits)).astype("int32")
    soundfile.write(out, samples, rate, format="FLAC", subtype=f"PCM_{'S8' if bits == 8 else '16'}")
    return len(out.getvalue())
