r"""Pictures larger than a model's, in overlapping tiles without seams: weights that fade, and noise that is shared.

    picture = sum_t w_t tile_t / sum_t w_t,     w: 0 in the outer quarter of an overlap, then rising to 1 over its half

A latent map of a tile that lies at a place of the large map of that level is drawn as mu + sigma eps, with eps the part
of one large field that lies there.  Tiles that agree on mu and sigma then agree on every draw, so that what is averaged
where they overlap is one picture and not two.

Shapes: `N` pictures; `C` channels; `H W` a picture, `h w` a tile; `T` tiles a picture; `...` anything in front.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from hvae.distributions import Normal
from hvae.draw import Drawn
from hvae.draw.base import Wrapper
from hvae.errors import HvaeError
from hvae.restoration.ways import Change
from hvae.seeds import part_seed
from hvae.site import Key, Site

SHARE = 4
"""An overlap is a quarter of a tile unless another is asked for."""


@dataclass(frozen=True)
class Tiling:
    """Tiles of one size over pictures of another, in rows; pictures are mirrored beyond their ends where tiles end
    later.

    Raises HvaeError for an overlap that leaves no step, or that its quarters do not divide.

    >>> tiling = Tiling((100, 64), (64, 64))
    >>> tiling.places, tiling.size
    (((0, 0), (48, 0)), (112, 64))
    >>> x = torch.rand(2, 3, 100, 64)
    >>> bool((tiling.joined(tiling.cut(x)) - x).abs().max() < 1e-6)
    True
    """

    picture: tuple[int, int]
    tile: tuple[int, int]
    overlap: int = 0

    def __post_init__(self) -> None:
        overlap = self.overlap or max(4, min(self.tile) // SHARE // 4 * 4)
        object.__setattr__(self, "overlap", overlap)
        if overlap % 4 or not 0 < overlap < min(self.tile):
            raise HvaeError(
                f"expected an overlap of tiles from 4 to below {min(self.tile)} in steps of 4, got {overlap}"
            )

    @property
    def _starts(self) -> list[list[int]]:
        """Where tiles start along each side."""
        sides = zip(self.picture, self.tile, strict=True)
        return [[i * (b - self.overlap) for i in range(_count(a, b, self.overlap))] for a, b in sides]

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """The top left of each tile."""
        rows, columns = self._starts
        return tuple(product(rows, columns))

    @property
    def size(self) -> tuple[int, int]:
        """What the tiles cover: at least the picture."""
        high, wide = (starts[-1] + side for starts, side in zip(self._starts, self.tile, strict=True))
        return high, wide

    @property
    def tops(self) -> list[int]:
        """Where each row of tiles starts."""
        return self._starts[0]

    @property
    def across(self) -> Tiling:
        """The tiles of one row of them alone, over a picture of their height."""
        return Tiling((self.tile[0], self.picture[1]), self.tile, self.overlap)

    def source(self, top: int) -> Tensor:
        """The rows of the picture that the row of tiles at `top` lies on, (h,): mirrored beyond its end."""
        return _mirrored(self.picture[0], self.size[0], torch.device("cpu"))[top : top + self.tile[0]]

    def fade(self, number: int) -> Tensor:
        """How much each row of the tiles of a row of them counts, (h,), its number counted from the top."""
        return _fade(self.tile[0], self.overlap, number > 0, number < len(self.tops) - 1)

    def cut(self, x: Tensor) -> Tensor:
        """The tiles of pictures (N, C, H, W), those of one after the other: (N T, C, h, w)."""
        rows, columns = (_mirrored(a, b, x.device) for a, b in zip(self.picture, self.size, strict=True))
        large = x.index_select(-2, rows).index_select(-1, columns)
        h, w = self.tile
        return torch.stack([large[..., i : i + h, j : j + w] for i, j in self.places], 1).flatten(0, 1)

    def joined(self, tiles: Tensor) -> Tensor:
        """Pictures (N, ..., H, W) from tiles of them (N T, ..., h, w)."""
        parts = tiles.unflatten(0, (-1, len(self.places)))  # (N, T, ..., h, w)
        total = parts.new_zeros(*parts[:, 0].shape[:-2], *self.size)
        weights, (h, w) = parts.new_zeros(self.size), self.tile
        for t, (i, j) in enumerate(self.places):
            weight = self.weight(i, j).to(parts)
            total[..., i : i + h, j : j + w] += weight * parts[:, t]
            weights[i : i + h, j : j + w] += weight
        return (total / weights)[..., : self.picture[0], : self.picture[1]]

    def weight(self, i: int, j: int) -> Tensor:
        """How much each value of the tile at (i, j) counts, (h, w); two neighbours add up to 1."""
        rows, columns = (
            _fade(side, self.overlap, start > 0, start < starts[-1])
            for side, start, starts in zip(self.tile, (i, j), self._starts, strict=True)
        )
        return rows[:, None] * columns


def _count(picture: int, tile: int, overlap: int) -> int:
    """Tiles along a side."""
    return 1 + -(-max(0, picture - tile) // (tile - overlap))


def _mirrored(side: int, length: int, device: torch.device) -> Tensor:
    """Where each of so many values of a side comes from, (wanted,): there and back again, ends twice."""
    there = torch.arange(length, device=device) % (2 * side)
    return torch.minimum(there, 2 * side - 1 - there)


def _fade(side: int, overlap: int, before: bool, after: bool) -> Tensor:
    """Weights along a side of a tile that has neighbours before and after it, or not, (side,)."""
    quarter, at = overlap // 4, torch.arange(side)
    rise = ((at - quarter + 0.5) / (2 * quarter)).clamp(0, 1)
    ones = torch.ones_like(rise)
    return (rise if before else ones) * (rise.flip(0) if after else ones)


@dataclass(frozen=True, eq=False)
class Shared(Wrapper):
    """Another draw, whose Gaussian noise is a part of large maps: the rows of a walk are tiles, `rows` of all.

    A latent that is no map, or none whose places fall on its grid, has noise of its own in each tile.
    """

    tiling: Tiling
    rows: range
    seed: int

    def __call__(self, site: Site) -> Drawn:
        inner = self.otherwise(site)
        q = inner.proposal
        if not isinstance(q, Normal) or site.data or (grid := self._grid(q.loc)) is None:
            return inner
        noise = self._noise(site.key, q.loc, grid)
        return Drawn(torch.addcmul(q.loc, q.scale, noise), q)

    def _grid(self, loc: Tensor) -> tuple[int, int] | None:
        """Values of a picture for each of a latent map along either side; None where tiles do not start on its grid."""
        if loc.ndim != 4:
            return None
        (h, w), (a, b), overlap = self.tiling.tile, loc.shape[2:], self.tiling.overlap
        grid = h // a, w // b
        divides = (h, w) == (a * grid[0], b * grid[1])
        return grid if divides and not (h - overlap) % grid[0] and not (w - overlap) % grid[1] else None

    def _noise(self, key: Key, like: Tensor, grid: tuple[int, int]) -> Tensor:
        """The part of each row's picture's field where the row lies, (B, C, a, b)."""
        each, fields = len(self.tiling.places), dict[int, Tensor]()
        (a, b), parts = like.shape[2:], []
        for row in self.rows:
            picture, tile = divmod(row, each)
            if picture not in fields:
                fields[picture] = self._field(key, like, grid, picture)
            i, j = (start // step for start, step in zip(self.tiling.places[tile], grid, strict=True))
            parts.append(fields[picture][:, i : i + a, j : j + b])
        return torch.stack(parts).to(like)

    def _field(self, key: Key, like: Tensor, grid: tuple[int, int], picture: int) -> Tensor:
        shape = [side // step for side, step in zip(self.tiling.size, grid, strict=True)]
        seed = zlib.crc32(repr((self.seed, key, picture)).encode())
        return torch.randn(like.shape[1], *shape, generator=torch.Generator().manual_seed(seed), dtype=like.dtype)


def shared(tiling: Tiling, rows: range, seed: int) -> Change:
    """What gives the k-th draw of some tiles the noise that they share with all others in it."""
    return lambda draw, k: Shared(draw, tiling, rows, part_seed(seed, k))
