"""Likelihoods by name: which head each is, and which numbers beside the shape of the data that head takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hvae.errors import unknown
from hvae.levels.columns import ColumnsHead
from hvae.levels.heads import (
    BernoulliHead,
    BoundedBernoulliHead,
    CategoricalHead,
    GaussianFullHead,
    GaussianGlobalHead,
    GaussianHead,
    GaussianPixelHead,
    Head,
    Shape,
)
from hvae.levels.logisticheads import LogisticHead, LogisticPixelHead, MixtureHead
from hvae.levels.noise import NoiseGlobalHead, NoiseHead
from hvae.nn.columns import Kinds


@dataclass(frozen=True)
class _Row:
    """A likelihood by name: its head, and which numbers beside the shape that head takes."""

    head: Callable[..., Head]
    takes: tuple[str, ...] = ()


HEADS: dict[str, _Row] = {
    "bernoulli": _Row(BernoulliHead, ("levels",)),
    "bernoulli-bounded": _Row(BoundedBernoulliHead, ("levels",)),
    "gaussian": _Row(GaussianHead, ("sigma",)),
    "gaussian-pixel": _Row(GaussianPixelHead),
    "gaussian-full": _Row(GaussianFullHead),
    "gaussian-global": _Row(GaussianGlobalHead),
    "logistic": _Row(LogisticHead, ("levels",)),
    "logistic-pixel": _Row(LogisticPixelHead, ("levels",)),
    "dmol": _Row(MixtureHead, ("levels", "mixtures")),
    "categorical": _Row(CategoricalHead, ("levels",)),
    "columns": _Row(ColumnsHead, ("kinds", "sigma")),
    "noise": _Row(NoiseHead, ("levels", "sigma", "gain")),
    "noise-global": _Row(NoiseGlobalHead, ("levels", "sigma", "gain")),
}


NO_KINDS = Kinds()


def head(
    kind: str,
    shape: Shape,
    levels: int,
    *,
    mixtures: int = 10,
    sigma: float = 0.1,
    gain: float = 0.0,
    kinds: Kinds = NO_KINDS,
) -> Head:
    """The named likelihood for data of a shape, (C, H, W) or (D,), with `levels` = 2**bits values.

    Each kind takes what it needs: `mixtures` is read by dmol, `sigma` (in units of data in [0, 1]) by gaussian and
    noise, `gain` (variance for each unit of signal) by noise, `kinds` of the columns of a table by columns.
    Raises HvaeError for an unknown kind, for bernoulli on more than two levels, and for impossible numbers.

    >>> import torch
    >>> head("dmol", (3, 32, 32), 256)
    MixtureHead((3, 32, 32), width=100)
    >>> head("dmol", (3, 4, 4), 256)(torch.zeros(2, 100, 4, 4)).sample().shape
    torch.Size([2, 3, 4, 4])
    """
    if kind not in HEADS:
        raise unknown("likelihood", kind, HEADS)
    row = HEADS[kind]
    numbers = {"levels": levels, "mixtures": mixtures, "sigma": sigma, "gain": gain, "kinds": kinds}
    return row.head(shape, **{name: numbers[name] for name in row.takes})
