"""The latents of a run as a transformer of scikit-learn.

Shapes: `N` data; `D` features.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from hvae.counts import whole
from hvae.errors import HvaeError, unknown
from hvae.explore import decode
from hvae.explore.features import POOLS, TABLES, column_names, features, named, row
from hvae.study.featurereading import apart, shapes_of
from hvae.study.placing import opened

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.site import Pin

Array = np.ndarray[Any, Any]


class Features(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Data to features, (N, *shape) or (N, D) in [0, 1] to (N, D) float32: what levels of a trained model know of them.

    Arguments: `run`, a folder or what `hvae.load` gives; `levels`, `pool`, `draws` and `seed`, as in
    `hvae.study.features.write_features` (without "none", whose latents are no table); `batch`, data walked at once.
    `fit` learns nothing: it opens the run and sees that the levels exist.  Raises HvaeError for what the run does not
    have, and for data that are not of its form.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> from sklearn.base import clone
    >>> clone(Features("runs/digits", levels=("z3",))).levels
    ('z3',)
    """

    def __init__(
        self,
        run: str | Path | LoadedRun,
        levels: Sequence[str] | str = (),
        pool: str = "mean",
        draws: int = 0,
        seed: int = 0,
        batch: int = 64,
    ) -> None:
        self.run, self.levels, self.pool = run, levels, pool
        self.draws, self.seed, self.batch = draws, seed, batch

    def fit(self, X: Array, y: object = None) -> Features:
        """Open the run; nothing of X is learnt."""
        if self.pool not in TABLES:
            raise unknown("pool", self.pool, TABLES)
        for name, least in (("draws", 0), ("batch", 1), ("seed", 0)):
            whole(name, getattr(self, name), least)
        loaded = opened(self.run)
        self.model_ = loaded.model
        self.levels_ = named([self.levels] if isinstance(self.levels, str) else self.levels, self.model_)
        self.shapes_ = shapes_of(self.levels_, self.model_)
        self.n_features_in_ = prod(self.model_.shape)
        return self

    def transform(self, X: Array) -> Array:
        """The features of data, (N, D)."""
        check_is_fitted(self)
        rows = features(
            *(self.model_, self._data(X).split(int(self.batch))),
            levels=self.levels_,
            pool=self.pool,
            draws=self.draws,
            seed=self.seed,
        )
        return np.concatenate([row(some).numpy() for some in rows])

    def inverse_transform(self, X: Array, temperature: float = 1.0) -> Array:
        """The pictures (N, *shape) of flattened features (N, D), the other levels from their priors at a temperature.

        Raises HvaeError for features that were pooled, from which there is no way back.
        """
        check_is_fitted(self)
        if self.pool != "flatten":
            raise HvaeError("there is no way back from means over places; give pool='flatten'")
        values = apart(torch.as_tensor(_numbers(X, "features").astype(np.float64)), self.shapes_, "features")
        if any(not bool(some.float().isfinite().all()) for some in values.values()):
            raise HvaeError("features: expected finite numbers in single precision, got others; look at the prediction")
        values = {name: some.float() for name, some in values.items()}
        return decode(self.model_, values, temperature=temperature, seed=self.seed, chunk=self.batch).cpu().numpy()

    def get_feature_names_out(self, input_features: object = None) -> Array:
        """A name for each feature: its level and its number in it, as z3_0."""
        check_is_fitted(self)
        pooled: dict[Pin, torch.Tensor] = {
            name: POOLS[self.pool](torch.zeros(1, *shape)) for name, shape in self.shapes_.items()
        }
        return np.array(column_names(pooled), dtype=object)

    def _data(self, X: Array) -> torch.Tensor:
        x = torch.as_tensor(_numbers(X, "data"))
        flat = x.ndim == 2 and len(self.model_.shape) > 1 and x.shape[1] == self.n_features_in_
        return x.unflatten(1, tuple(self.model_.shape)) if flat else x


def _numbers(values: object, what: str) -> Array:
    """An array of real numbers, (N, ...): of Python's own too, as tables of mixed columns give them."""
    array = np.asarray(values)
    if array.dtype.kind == "O":
        with suppress(TypeError, ValueError):
            array = array.astype(np.float64)
    if array.dtype.kind not in "buif" or not array.ndim:
        raise HvaeError(f"{what}: expected numbers (N, ...), got {array.dtype} of shape {array.shape}")
    return array
