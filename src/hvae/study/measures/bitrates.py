"""Sound by the number of codebooks that are read, beside Opus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from hvae.metrics.sound import BitratesResult, Rate
from hvae.reporting.data import Sheet
from hvae.study.measure import Measure, spread

if TYPE_CHECKING:
    from hvae.study.work import Work


class Bitrates(Measure[BitratesResult]):
    """One model at each number of its codebooks: bits a second, and how near the sound is."""

    name = "bitrates"
    about = "of codes of sound: bits a second, SI-SDR and spectral distance by the number of codebooks, beside Opus"
    cost = "quick"
    place = 55
    is_of_levels = True
    is_for = "sequences"
    result = BitratesResult
    units: ClassVar[Mapping[str, str]] = {
        "bits_per_second": "all bits of the codes, under the prior of the run, over all seconds",
        "si_sdr_db": "scale-invariant ratio of signal and distortion, dB; higher is nearer",
        "spectral_db": "log-spectral distance in windows of 32 ms, dB above a floor of -60 dB; lower is nearer",
    }

    def take(self, work: Work) -> BitratesResult:
        """Each number of codebooks, then Opus."""
        import torch

        from hvae.data import SequenceData
        from hvae.metrics.sound import bitrates
        from hvae.study.measures.opus import beside

        assert isinstance(work.subject.data, SequenceData)
        split, rate = work.sequences, work.subject.data.form.rate
        with work.bar("bitrates") as tick:
            rates = bitrates(work.model, work.batches(), rate, seed=work.config.seed, progress=tick)
        levels = (split.levels(index).flatten() for index in range(len(split)))
        sounds = [2 * one.double() / split.unit - 1 for one in levels]
        others, missing = beside(sounds, rate)
        return BitratesResult(
            data=len(sounds),
            seconds=sum(map(torch.numel, sounds)) / rate,
            seed=work.config.seed,
            rates=rates,
            beside=others,
            missing=missing,
        )

    def obstacle(self, work: Work) -> str:
        """Codes of sound have bitrates."""
        from hvae.data import SequenceData
        from hvae.metrics.codebook import has_codes

        data = work.subject.data
        if not (isinstance(data, SequenceData) and data.form.kind == "audio"):
            return "sound is needed, and these data are none"
        return "" if has_codes(work.model) else "no level of this model has a codebook"

    def concerns(self, work: Work) -> bool:
        """Nobody misses it of other models."""
        return super().concerns(work) and not self.obstacle(work)

    def sheets(self, result: BitratesResult) -> Iterator[Sheet]:
        """A row for each number of codebooks, and for each of the others."""
        note = f"over {result.data:,} sounds of {result.seconds:,.0f} s together; levels below at the mode of their "
        note += "prior; the distance in windows of 32 ms above -60 dB"
        yield Sheet(
            title="Bitrates of one model",
            heads=("codebooks", "bits a second", "SI-SDR, dB", "log-spectral distance, dB"),
            rows=[_row(one) for one in (*result.rates, *result.beside)],
            note=f"{note}; {result.missing or 'Opus: its packets alone, without headers and pages'}",
        )


def _row(one: Rate) -> tuple[str, ...]:
    return one.name, f"{one.bits_per_second:,.0f}", spread(one.si_sdr_db), spread(one.spectral_db)
