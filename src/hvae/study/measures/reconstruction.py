"""How near reconstructions come to their data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hvae.metrics.contribution import ReconstructionResult, reconstruction
from hvae.screen.numbers import counted
from hvae.study.measure import Headline, Measure, Ranked, spread
from hvae.study.tables import is_mixed

if TYPE_CHECKING:
    from hvae.study.evaluation import Evaluation
    from hvae.study.work import Work

DATA = 1_000


class Reconstruction(Measure[ReconstructionResult]):
    """PSNR and MS-SSIM."""

    name = "reconstruction"
    about = "PSNR and MS-SSIM of reconstructions"
    cost = "quick"
    place = 40
    is_of_levels = True
    is_for = "others"
    result = ReconstructionResult

    def take(self, work: Work) -> ReconstructionResult:
        """On the first data."""
        with work.bar("reconstruction") as tick:
            return reconstruction(work.model, work.batches(DATA), seed=work.config.seed, progress=tick)

    def obstacle(self, work: Work) -> str:
        """Padding is no noise, and names have no distance."""
        mixed = "values of one kind are needed, and these data are rows of a table" * is_mixed(work.subject.run)
        return mixed or work.no_rectangle()

    def headlines(self, result: ReconstructionResult, evaluation: Evaluation) -> Iterator[Headline]:
        """Both in a line."""
        alike = result.ms_ssim
        other = f"; MS-SSIM {alike.mean:.3f} over {counted(result.ms_ssim_scales, 'scale')}" if alike else ""
        means = "" if result.exact_mean else "approximate means, "
        note = f"{means}reconstructions of {result.data:,} data{other}"
        yield Headline("PSNR", f"{spread(result.psnr_db)} dB", note)

    def ranked(self, result: ReconstructionResult, evaluation: Evaluation) -> Iterator[Ranked]:
        """Both, with their counts."""
        of, psnr, alike = f"of {result.data:,} reconstructions", result.psnr_db, result.ms_ssim
        yield Ranked(f"PSNR {of}, dB", psnr.mean, psnr.standard_error)
        if alike:
            yield Ranked(f"MS-SSIM {of}, {counted(result.ms_ssim_scales, 'scale')}", alike.mean, alike.standard_error)
