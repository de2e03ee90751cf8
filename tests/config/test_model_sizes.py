"""Impossible sizes are refused before anything is built."""

from __future__ import annotations

import pytest

from hvae.config.model import LadderConfig, LVAEConfig, VAEConfig
from hvae.errors import HvaeError


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: LadderConfig(width=0), "model.width: expected at least 1, got 0"),
        (lambda: LadderConfig(groups=(1, -1)), r"model.groups\[1\]: expected at least 0, got -1"),
        (lambda: LadderConfig(groups=(1, 1), widths=(8,)), r"scales of model.groups, or none, got \(8,\)"),
        (lambda: LadderConfig(groups=(1, 1), widths=(8, 8, 8)), "model.widths: expected one number for each of the 2"),
        (lambda: LadderConfig(groups=(1, 1), widths=(8, 0)), r"model.widths\[1\]: expected at least 1, got 0"),
        (lambda: LadderConfig(groups=(1, 1), widths=(8, 10**7)), r"model.widths\[1\]: expected at most 1,000,000"),
        (lambda: LadderConfig(groups=(1, 1), latents=(8,)), "model.latents: expected one number for each of the 2"),
        (lambda: LadderConfig(groups=(1, 1), latents=(8, 0)), r"model.latents\[1\]: expected at least 1, got 0"),
        (lambda: LadderConfig(groups=(1, 1), widths=(8, 8.5)), "model.widths"),
        (lambda: LadderConfig(dropout=1.0), "model.dropout: expected a probability"),
        (lambda: LVAEConfig(latents=(4, 0)), r"model.latents\[1\]: expected at least 1, got 0"),
        (lambda: VAEConfig(latent=-2), "model.latent: expected at least 1, got -2"),
        (lambda: VAEConfig(sigma=0.0), "model.sigma: expected a standard deviation from"),
        (lambda: VAEConfig(sigma=float("nan")), "model.sigma"),
    ],
)
def test_impossible_sizes(make: object, line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        make()


def test_scales_without_levels_are_possible() -> None:
    assert LadderConfig(groups=(0, 2), checkpoint=False).groups == (0, 2)
