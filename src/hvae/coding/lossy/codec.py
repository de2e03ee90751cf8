"""A model of rounded latents or of codes as a lossy codec with a progressive file format, for pictures of any size.

Chunks lie in the file level by level, the top level of all pictures first.  Of a truncated file all complete chunks are
decoded, if the top level is complete; missing levels are at the mean of their prior (codes: at its mode).  A picture is
coded whole, by the same weights in a network of its own size; one of more than 1,024 pixels a side in tiles of equal
size, whose seams may be seen.  Pictures of one size are coded together, as many as fit into 2^18 pixels (64 at most).

Shapes: `C H W` a picture; `N` tiles; `G` groups; `L` levels in the file.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from hvae.coding.entropy.forms import Rounded
from hvae.coding.entropy.numerics import Build, identity, resized, settled, still
from hvae.coding.files.classic import Levels
from hvae.coding.files.container import Block, File, Header, Item, write
from hvae.coding.files.pictures import Picture, check_levels, check_names, layout, split
from hvae.coding.files.reading import Tick, check_model, check_probabilities, chosen
from hvae.coding.lossy import rounding as lossy
from hvae.coding.lossy.compressed import Lossy, cost
from hvae.coding.lossy.layout import (
    LOSSY,
    ORDERS,
    Group,
    Shape,
    depth,
    depths,
    groups,
    holding,
    items_of,
    joined,
    single_items,
    tile_count,
    tile_shape,
)
from hvae.coding.lossy.residues import DITHERS, Dither
from hvae.coding.lossy.rounding import Chunk, Sent
from hvae.condition import Context
from hvae.errors import HvaeError
from hvae.walk import Model


class LossyCodec:
    """Compresses pictures with a model of rounded latents or codes, and decompresses them with the same one.

    Arguments: `model`, which is copied; `build`, a shape (C, H, W) to an untrained model of the same weights (by name
    and size) for pictures of that shape; `bits` of the data; `description`, `run` and `context` as for `Codec`.  Raises
    HvaeError for a model whose latents cannot be rounded and are no codes.

    >>> from hvae.coding.files.container import read
    >>> from hvae.config.qresvae import QResVAEConfig
    >>> from hvae.zoo import build
    >>> config = QResVAEConfig(patch=2, groups=(1, 1), widths=(4, 4), latent=1)
    >>> codec = LossyCodec(build(config, (1, 8, 8)), build=lambda shape: build(config, shape), bits=8)
    >>> file = codec.compress([Picture("a", np.eye(9, dtype=np.uint8)[None], 0)])
    >>> back = codec.decompress(read(file.content))
    >>> bool((back[0].levels == file.pictures[0].levels).all())
    True
    """

    def __init__(
        self,
        model: Model,
        *,
        build: Build,
        bits: int,
        description: Mapping[str, object] | None = None,
        run: str = "",
        context: Context | None = None,
    ) -> None:
        forms = lossy.forms(model)
        self.levels = list(forms)
        self.dithers = DITHERS if any(isinstance(one, Rounded) for one in forms.values()) else DITHERS[:1]
        if not self.levels or not 1 <= bits <= 8 or len(model.shape) != 3:
            raise HvaeError(
                "this model is no lossy codec: its latents are neither trained to be rounded nor codes; leave "
                "--quality out to compress without loss, or train a lossy preset such as photos-lossy-small"
            )
        self.identity, self.model = identity(model, description or {}), still(model)
        self.build, self.bits, self.run = build, bits, run
        self.shape: Shape = tuple(model.shape)
        self.context = settled(self.model, context)
        self.probabilities = lossy.fingerprint(self.model, self.context)
        self._held = self.model

    def compress(
        self, pictures: Sequence[Picture], keep: int | None = None, *, verify: bool = True, tick: Tick | None = None
    ) -> Lossy:
        """Compress pictures to the bytes of a file with the top `keep` levels, or all; `tick(done, total)` counts
        groups.

        Raises HvaeError when there is nothing to compress, no such level, or a group does not decode to what was sent.
        """
        started, names = time.perf_counter(), self.levels[: depth(keep, len(self.levels))]
        check_names(pictures, self.run)
        tiles = [
            tile for picture in pictures for tile in split(self._checked(picture), tile_shape(picture.levels.shape))
        ]
        parts = groups(items_of(pictures), self.shape[0])
        for shape in {part.shape for part in parts}:
            self.sized(shape)  # refuses sizes that the weights do not fit, before any work
        number, sent = self._best(parts, tiles, names, tick)
        before = time.perf_counter()
        if verify:
            self._verify(parts, sent, DITHERS[number])
        check_seconds = time.perf_counter() - before
        content = self._written(pictures, parts, sent, LOSSY + number)
        pixels = joined(items_of(pictures), [one for s in sent for one in s.levels])
        return Lossy(
            content,
            levels=tuple(cost(name, sent) for name in names),
            pictures=tuple(pixels),
            pixels=sum(picture.levels[0].size for picture in pictures),
            psnr=lossy.psnr([p.levels for p in pictures], [p.levels for p in pixels], self.bits),
            seconds=time.perf_counter() - started,
            check_seconds=check_seconds,
        )

    def decompress(
        self, file: File, only: int | None = None, levels: int | None = None, tick: Tick | None = None
    ) -> list[Picture]:
        """The pictures of a file, or the one of an index, as its top `levels` levels show them, or all that are there.

        Of a file that was cut each picture is shown by the levels of it that are whole; `depth` tells how many.  Raises
        HvaeError when the file is of another model, this machine computes other probabilities, a chunk is damaged, or
        fewer levels are there than asked for.
        """
        self._check(file.header)
        items = single_items(file.header)
        parts = groups(items, self.shape[0])
        places = chosen(only, len(items))
        first, last = _extent(items, places)
        numbers = holding(parts, first, last)
        deep = depths(file, parts, len(self.levels), levels, numbers)
        # All of them are checked before any time is spent on decoding.
        chunks = {g: self._chunks(file, len(parts), g, deep[g]) for g in numbers}
        dither, tiles = DITHERS[file.header.order - LOSSY], dict[int, Levels]()
        for done, g in enumerate(numbers):
            tile = lossy.decode(self.sized(parts[g].shape), chunks[g], parts[g].tiles, self.bits, dither, self.context)
            tiles |= {parts[g].start + i: one for i, one in enumerate(tile)}
            if tick is not None:
                tick(done + 1, len(numbers))
        return joined([items[i] for i in places], [tiles[t] for t in range(first, last)])

    def depth(self, file: File, only: int | None = None, levels: int | None = None) -> tuple[int, int]:
        """By how many levels `decompress` shows every picture, and how many the file was written with."""
        self._check(file.header)
        items = single_items(file.header)
        parts = groups(items, self.shape[0])
        numbers = holding(parts, *_extent(items, chosen(only, len(items))))
        deep = depths(file, parts, len(self.levels), levels, numbers)
        return min(deep.values()), len(file.header.blocks) // len(parts)

    def sized(self, shape: Shape) -> Model:
        """The model for pictures of a shape (C, H, W); the last one is kept."""
        if tuple(self._held.shape) != shape:
            self._held = resized(self.model, self.build, shape)
        return self._held

    def _checked(self, picture: Picture) -> Levels:
        levels = check_levels(picture, self.shape, self.bits)
        layout(levels.shape[1], levels.shape[2], self.shape)  # refuses sizes that no picture has
        if picture.kind.rest:
            raise HvaeError(f"{picture.name} has transparency or 16 bits, which only lossless files keep; convert it")
        return levels

    def _best(
        self, parts: Sequence[Group], tiles: Sequence[Levels], names: Sequence[str], tick: Tick | None
    ) -> tuple[int, list[Sent]]:
        """The dither with the best training objective on these pictures, and its chunks."""
        tried = list[list[Sent]]()
        for dither in self.dithers:
            tried.append([])
            for group in parts:
                x = np.stack(tiles[group.start : group.start + group.tiles])  # (N, C, h, w)
                tried[-1].append(lossy.encode(self.sized(group.shape), x, names, self.bits, dither, self.context))
                if tick is not None:
                    tick(sum(map(len, tried)), len(self.dithers) * len(parts))
        bounds = [sum(sent.elbo for sent in one) for one in tried]
        best = max(range(len(tried)), key=bounds.__getitem__)
        return best, tried[best]

    def _verify(self, parts: Sequence[Group], sent: Sequence[Sent], dither: Dither) -> None:
        for group, s in zip(parts, sent, strict=True):
            pixels = lossy.decode(self.sized(group.shape), s.chunks, group.tiles, self.bits, dither, self.context)
            if not np.array_equal(pixels, s.levels):
                raise HvaeError("a picture does not decode to what its encoder saw; nothing was written: report this")

    def _written(self, pictures: Sequence[Picture], parts: Sequence[Group], sent: Sequence[Sent], order: int) -> bytes:
        chunks = [(part.tiles, s.chunks[name]) for name in sent[0].chunks for part, s in zip(parts, sent, strict=True)]
        header = Header(
            order=order,
            bits=self.bits,
            shape=self.shape,
            model=self.identity,
            probabilities=self.probabilities,
            run=self.run,
            items=tuple(items_of(pictures)),
            blocks=tuple(Block(n, len(c.payload), zlib.crc32(c.payload), c.content) for n, c in chunks),
        )
        return write(header, [chunk.payload for _, chunk in chunks])

    def _check(self, header: Header) -> None:
        if header.order not in ORDERS:
            raise HvaeError("this file was compressed without loss: it has no levels to choose from")
        check_model(header, self.identity)
        if header.order - LOSSY >= len(self.dithers):
            raise HvaeError("the file says that its codes have a dither, which none have: it is damaged")
        if (header.bits, header.shape) != (self.bits, self.shape) or header.levels:
            raise HvaeError(
                f"expected a file of {self.bits} bits by a model of {self.shape}, without bins; it says {header.bits} "
                f"bits, {header.shape} and {len(header.levels)} levels with bins: it is damaged"
            )
        check_probabilities(header, self.probabilities, self.context)

    def _chunks(self, file: File, count: int, g: int, depth: int) -> dict[str, Chunk]:
        """The top `depth` chunks of one of `count` groups, by level."""
        places = [level * count + g for level in range(depth)]
        return {
            name: Chunk(file.payload(at), file.header.blocks[at].content)
            for name, at in zip(self.levels, places, strict=False)
        }


def _extent(items: Sequence[Item], places: Sequence[int]) -> tuple[int, int]:
    """The first tile of the wanted pictures, which are neighbours, and the one after the last."""
    ends = np.cumsum([0, *(tile_count(item) for item in items)])
    return int(ends[places[0]]), int(ends[places[-1] + 1])
