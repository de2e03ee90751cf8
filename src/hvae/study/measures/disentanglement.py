"""Whether each level knows known factors, one dimension each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from hvae.errors import HvaeError
from hvae.files import expanded
from hvae.metrics.disentangle import DisentanglementResult, as_factors, disentanglement
from hvae.screen.numbers import share
from hvae.study.codes import CODED, coded
from hvae.study.measure import Column, Measure, Ranked
from hvae.study.work import fault

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.study.evaluation import Evaluation
    from hvae.study.work import Work

SAID, SHOWN = 0.1, 3
"""The share of a factor beyond chance that is worth a word, and how many factors of a level are named."""


class Disentanglement(Measure[DisentanglementResult]):
    """MIG, DCI, SAP and FactorVAE score."""

    name = "disentanglement"
    about = "MIG, DCI, SAP and FactorVAE score of each level against known factors"
    cost = "costly"
    place = 60
    settings = ("factors", "codes")
    is_of_levels = True
    is_for = "others"
    result = DisentanglementResult

    def take(self, work: Work) -> DisentanglementResult:
        """On the codes of the first data."""
        table, names = _factors(work)
        codes = coded(work)
        with work.bar("disentanglement") as tick:
            return disentanglement(codes, table, names, seed=work.config.seed, progress=tick)

    def obstacle(self, work: Work) -> str:
        """Factors are needed, of enough data."""
        return fault(_check, work)

    def columns(self, result: DisentanglementResult, evaluation: Evaluation) -> Iterator[Column]:
        """The four scores, and what a level says most of."""
        levels = result.levels.items()
        yield Column("MIG", {name: f"{level.mig:.2f}" for name, level in levels}, leaves=6)
        yield Column("DCI d", {name: f"{level.dci_disentanglement:.2f}" for name, level in levels}, leaves=8)
        yield Column("SAP", {name: f"{level.sap:.2f}" for name, level in levels}, leaves=10)
        yield Column("FactorVAE", {name: f"{level.factor_vae:.2f}" for name, level in levels}, leaves=9)
        yield Column("carries", {name: _most(level.carries) for name, level in levels}, leaves=5)

    def notes(self, result: DisentanglementResult) -> Iterator[str]:
        """Which scores, of which codes."""
        yield (
            f"MIG, DCI disentanglement, SAP, FactorVAE score; carries: share of a factor beyond chance that a forest "
            f"reads from the level: {result.codes} of q, {result.data:,} data"
        )

    def ranked(self, result: DisentanglementResult, evaluation: Evaluation) -> Iterator[Ranked]:
        """The best level by each score."""
        levels, of = list(result.levels.values()), f"of the best level ({result.codes}, {result.data:,} data)"
        if not levels:
            return
        yield Ranked(f"MIG {of}", max(level.mig for level in levels))
        yield Ranked(f"DCI disentanglement {of}", max(level.dci_disentanglement for level in levels))
        yield Ranked(f"SAP {of}", max(level.sap for level in levels))
        yield Ranked(f"FactorVAE score {of}", max(level.factor_vae for level in levels))


def _most(carries: Mapping[str, float]) -> str:
    """The factors that a level says most of, those it says little of left out."""
    most = sorted(carries.items(), key=lambda pair: -pair[1])[:SHOWN]
    return ", ".join(f"{factor} {share(value)}" for factor, value in most if value > SAID)


def _check(work: Work) -> None:
    table, _ = _factors(work)
    as_factors(table, len(table))


def _factors(work: Work) -> tuple[Tensor, tuple[str, ...]]:
    """The factors of the data whose codes are looked at, (N, F), and their names."""
    from hvae.data.factors import read_factors

    split, source = work.images, work.config.factors
    if source:
        factors = read_factors(expanded(source))
        return factors.of(split)[:CODED], factors.names
    if split.factors is None:
        name = work.subject.data.provenance.name
        raise HvaeError(f"factors are needed, and {name} has none; give their file by --evaluate.factors FILE.npz")
    return split.factors[:CODED], work.subject.data.factors
