"""The codes of data that several measures look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvae.metrics.codes import Codes, codes

if TYPE_CHECKING:
    from hvae.study.work import Work

CODED = 2_000
"""Data whose codes are looked at, at most."""
DIMS = 256
"""Dimensions of a level looked at, those that vary most: a probe of a whole picture of latents learns its noise."""


def coded(work: Work) -> Codes:
    """The codes of the first data: means of q or samples of it, as the configuration says."""
    kind, seed = work.config.codes, work.config.seed
    with work.bar(f"codes ({kind})") as tick:
        return codes(work.model, work.batches(CODED), kind, most=DIMS, seed=seed, progress=tick)
