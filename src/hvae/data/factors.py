"""Images whose ground-truth factors are known: what scores of disentanglement are measured on.

Shapes: `N` images; `F` factors; `C` channels; `H W` space.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hvae.capacity import check_memory
from hvae.data.formats import read_arrays
from hvae.data.images import Split
from hvae.data.raw import Part, Raw, as_images, as_levels
from hvae.data.transforms import Array
from hvae.errors import HvaeError
from hvae.files import replacing

IMAGES = ("images", "imgs", "x")
FACTORS = ("factors", "latents_classes", "labels")
DSPRITES = ("color", "shape", "scale", "orientation", "x", "y")


@dataclass(frozen=True, eq=False, kw_only=True)
class FactorData:
    """Images, and the value of every factor in each.

    Arguments: `images`, a split of N images; `factors` (N, F), whole numbers from 0; `names` of the F factors.
    """

    images: Split
    factors: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.factors)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many values each factor has."""
        return tuple((self.factors.amax(0) + 1).tolist())

    def some(self, n: int, seed: int = 0) -> FactorData:
        """`n` images chosen at random (all, when there are fewer), in random order."""
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))[:n]
        return FactorData(images=self.images.some(order), factors=self.factors[order], names=self.names)

    def of(self, split: Split) -> Tensor:
        """The factors of the images of a split of these data, (len(split), F), in the split's order.

        Raises HvaeError when the split's images are others.
        """
        if len(split.store) != len(self) or not torch.equal(split.levels([0]), self.images.levels(split.rows[:1])):
            raise HvaeError(
                f"expected a split of the {len(self):,} images that the factors belong to, got images of another set "
                f"of {len(split.store):,}; give the file that the model was trained on"
            )
        return self.factors[split.rows]

    def raw(self) -> Raw:
        """These data as a reader hands them over: one split, from which others are held out."""
        levels = self.images.levels(range(len(self.images))).numpy()
        part = Part(levels, None, self.factors.numpy())
        return Raw(parts={"train": part}, bits=self.images.depth, factors=self.names)

    def save(self, path: str | Path) -> None:
        """Write an .npz with images, factors and names: train on it with data.name=npy, and score with it."""
        levels = self.images.levels(range(len(self.images))).numpy()
        with replacing(path) as temporary, open(temporary, "wb") as file:
            names = np.array(self.names)
            np.savez_compressed(file, images=levels, factors=self.factors.numpy(), factor_names=names)


def read_factors(path: str | Path) -> FactorData:
    """Images with their factors from an .npz file.

    It holds `images` (N, H, W), (N, C, H, W) or (N, H, W, C) with `factors` (N, F), whole numbers, and optionally
    `factor_names`; or it is dSprites as published (imgs, latents_classes), or the LPC sprites (idx, palette,
    factor_sizes: every combination once, the last factor fastest).  Factors of one value are left out.  Raises
    HvaeError for anything else.

    >>> import tempfile
    >>> from hvae.data.shapes import shapes
    >>> path = Path(tempfile.mkdtemp()) / "shapes.npz"
    >>> shapes(size=8, positions=2, orientations=2, scales=2).save(path)
    >>> read_factors(path).names
    ('shape', 'scale', 'orientation', 'x', 'y')
    """
    arrays = read_arrays(Path(path))
    levels, factors, names = (_sprites if {"idx", "palette"} <= set(arrays) else _plain)(arrays, str(path))
    grid, bits = as_levels(levels, 0, str(path))
    images = np.ascontiguousarray(as_images(grid, str(path)))
    varying = [f for f in range(factors.shape[1]) if (factors[:, f] != factors[0, f]).any()]
    if not varying:
        raise HvaeError(f"{path}: expected factors that vary over the images, got none")
    return known(images, np.stack([_counted(factors[:, f]) for f in varying], 1), [names[f] for f in varying], bits)


def known(images: Array, factors: Array, names: list[str], bits: int) -> FactorData:
    """Images (N, C, H, W) of integer levels, with factors (N, F)."""
    split = Split(store=torch.from_numpy(images), rows=torch.arange(len(images)), labels=None, depth=bits)
    return FactorData(images=split, factors=torch.from_numpy(factors.astype(np.int64)), names=tuple(names))


def _counted(column: Array) -> Array:
    return np.unique(column, return_inverse=True)[1].reshape(-1)


def _plain(arrays: Mapping[str, Array], where: str) -> tuple[Array, Array, list[str]]:
    images, key = (next((name for name in names if name in arrays), None) for names in (IMAGES, FACTORS))
    if images is None or key is None:
        raise HvaeError(f"{where}: expected arrays named images and factors, got {', '.join(arrays) or 'nothing'}")
    factors = arrays[key]
    if factors.ndim != 2 or len(factors) != len(arrays[images]) or factors.dtype.kind not in "bui":
        raise HvaeError(
            f"{where}: expected whole-number factors of shape ({len(arrays[images])}, F), got {factors.dtype} of shape "
            f"{factors.shape}"
        )
    return arrays[images], factors, _names(arrays, key, factors.shape[1], where)


def _names(arrays: Mapping[str, Array], key: str, count: int, where: str) -> list[str]:
    if key == "latents_classes" and count == len(DSPRITES):
        return list(DSPRITES)
    names = arrays.get("factor_names", np.array([f"factor {f + 1}" for f in range(count)]))
    if names.shape != (count,):
        raise HvaeError(f"{where}: expected {count} factor_names, got {names.size} of shape {names.shape}")
    return [str(name) for name in names]


def _sprites(arrays: Mapping[str, Array], where: str) -> tuple[Array, Array, list[str]]:
    index, palette, sizes = arrays["idx"], arrays["palette"], arrays.get("factor_sizes", np.zeros(0, int))
    if index.dtype.kind not in "ui" or palette.ndim != 2 or sizes.ndim != 1 or sizes.dtype.kind not in "ui":
        raise HvaeError(f"{where}: expected whole-number idx and factor_sizes, and a palette (colours, channels)")
    counts = tuple(int(n) for n in sizes)
    if not index.size or math.prod(counts) != len(index):
        raise HvaeError(f"{where}: expected every combination of factor_sizes once, got {len(index)} of {counts}")
    if index.min() < 0 or index.max() >= len(palette):
        raise HvaeError(f"{where}: expected idx from 0 to {len(palette) - 1}, got {index.min()} to {index.max()}")
    check_memory(index.size * palette[:1].nbytes, where)
    factors = np.stack(np.unravel_index(np.arange(len(index)), counts), 1)
    return palette[index], factors, _names(arrays, "factors", len(counts), where)
