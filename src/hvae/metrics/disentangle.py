r"""Disentanglement of each level: MIG, DCI, SAP and the FactorVAE score.

All scores are functions of codes (N, D) and factors (N, F), independent of any model.  Every result states whether the
codes are means or samples of q, since the scores of one model differ between the two.

Shapes: `N` data; `D` dimensions of a code; `F` factors; `V` values of a factor; `bins` of a histogram.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from hvae.errors import HvaeError
from hvae.metrics.codes import Codes, Kind
from hvae.metrics.evaluating import Progress, silent
from hvae.metrics.factors import Array, as_factors, dci, factor_vae_score, mig, sap
from hvae.metrics.results import Plain

DIMS = 256
"""Dimensions scored per level, those of largest variance: forests over all positions of an image take hours."""


@dataclass(frozen=True, kw_only=True)
class LevelDisentanglement:
    """The scores of one level, each from 0 to 1 (best)."""

    dims: int
    """Dimensions of the level."""
    dims_used: int
    """Number of dimensions scored, those of largest variance."""
    mig: float
    mig_by_factor: dict[str, float]
    dci_disentanglement: float
    dci_completeness: float
    dci_informativeness: float
    """Share of the factors' values that a forest predicts from the level, mean over factors."""
    carries: dict[str, float]
    """Of each factor: (accuracy - chance) / (1 - chance) of that forest; chance is the most frequent value."""
    sap: float
    factor_vae: float
    factor_vae_chance: float
    """Accuracy of always voting for the most frequent factor."""


@dataclass(frozen=True, kw_only=True)
class DisentanglementResult(Plain):
    """The scores of every level, top first."""

    codes: Kind
    """The codes scored: "means" or "samples" of q."""
    data: int
    seed: int
    factors: dict[str, int]
    """The number of values of each factor."""
    levels: dict[str, LevelDisentanglement]


def disentanglement(
    codes: Codes,
    factors: Tensor,
    names: Sequence[str] = (),
    *,
    dims: int = DIMS,
    seed: int = 0,
    progress: Progress = silent,
) -> DisentanglementResult:
    """MIG, DCI, SAP and the FactorVAE score of every level.

    Arguments: `codes`, the codes of N data; `factors` (N, F), whole numbers; `names` of the factors; `dims`, the
    largest number of dimensions scored per level.  Raises HvaeError when the tables do not match, when a factor has one
    value, or when there are fewer than 500 data.

    >>> import torch
    >>> factors = torch.cartesian_prod(*[torch.arange(5)] * 4)
    >>> codes = Codes("means", {"z1": factors.double()})
    >>> result = disentanglement(codes, factors, ["a", "b", "c", "d"])
    >>> result.levels["z1"].mig > 0.99, result.levels["z1"].carries["a"]
    (True, 1.0)
    """
    table = as_factors(factors, len(codes))
    names = list(names) or [f"factor {f + 1}" for f in range(table.shape[1])]
    if len(names) != table.shape[1]:
        raise HvaeError(f"expected {table.shape[1]} names of factors, got {len(names)}")
    levels = {}
    for at, (name, code) in enumerate(codes.varying(dims).levels.items()):
        progress(at, len(codes.levels))
        levels[name] = _level(code.numpy(), table, names, codes.width(name), seed)
    progress(len(levels), len(levels))
    sizes = {name: int(column.max()) + 1 for name, column in zip(names, table.T, strict=True)}
    return DisentanglementResult(codes=codes.kind, data=len(codes), seed=seed, factors=sizes, levels=levels)


def _level(code: Array, factors: Array, names: list[str], dims: int, seed: int) -> LevelDisentanglement:
    gaps, parts = mig(code, factors), dci(code, factors, seed=seed)
    score, chance = factor_vae_score(code, factors, seed=seed)
    return LevelDisentanglement(
        dims=dims,
        dims_used=code.shape[1],
        mig=float(gaps.mean()),
        mig_by_factor=dict(zip(names, gaps.tolist(), strict=True)),
        dci_disentanglement=parts.disentanglement,
        dci_completeness=parts.completeness,
        dci_informativeness=float(parts.accuracy.mean()),
        carries=dict(zip(names, parts.above_chance().tolist(), strict=True)),
        sap=float(sap(code, factors, seed=seed).mean()),
        factor_vae=score,
        factor_vae_chance=chance,
    )
