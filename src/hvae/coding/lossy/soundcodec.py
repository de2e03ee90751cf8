"""A model of codes of sound as a lossy codec: recordings of any length to one progressive file.

Chunks lie in the file level by level, the top level of all recordings first; of a file that was cut the levels that are
there whole are decoded, and the others are at the mode of their prior.  Neighbours are coded together, as many as fill
2^20 values (64 at most), and only the positions that exist are written.

Shapes: `N` recordings; `T` steps of one; `S` values of a step; `G` groups.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import repeat
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hvae.coding.entropy.numerics import identity, settled, still
from hvae.coding.files.container import Block, File, Header, Item, write
from hvae.coding.files.header import LOSSY_IN_TIME, SEQUENCE
from hvae.coding.files.reading import Tick, check_model, check_probabilities, chosen
from hvae.coding.files.series import Series, Whole, check
from hvae.coding.lossy import rounding as lossy
from hvae.coding.lossy.compressed import LevelCost, cost
from hvae.coding.lossy.layout import ROWS, Group, check_counts, depth, depths, holding
from hvae.coding.lossy.rounding import Chunk, Sent
from hvae.condition import Context
from hvae.errors import HvaeError
from hvae.records import JSON
from hvae.walk import Model

_VALUES = 1 << 20


@dataclass(frozen=True)
class LossySeries:
    """A file of recordings with its account, and what it decodes to."""

    content: bytes
    levels: tuple[LevelCost, ...]
    series: tuple[Series, ...]
    values: int
    """Samples of all recordings."""
    snr: float
    """Signal and noise of samples, dB: the mean over recordings."""
    seconds: float
    check_seconds: float

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        rate = {"bytes": len(self.content), "bits_per_value": 8 * len(self.content) / self.values}
        own = {name: getattr(self, name) for name in ("values", "snr", "seconds", "check_seconds")}
        return {**rate, **own, "levels": [asdict(cost) for cost in self.levels]}


class SoundCodec:
    """Compresses recordings with a timed model of codes, and decompresses them with the same one.

    Arguments: `model`, which is copied; `bits` of a sample; `description`, `run` and `context` as for `SeriesCodec`.
    Raises HvaeError for a model whose latents are no codes of whole sequences.

    >>> import hvae
    >>> from hvae.coding import read
    >>> from hvae.config.vqvae import RQVAEConfig
    >>> config = RQVAEConfig(codes=4, dims=2, width=4, hidden=4, stride=2, depth=2)
    >>> codec = SoundCodec(hvae.build(config, shape=(50, 1), bits=16), bits=16)
    >>> file = codec.compress([Series("a", np.full((30, 1), 7, np.int32)), Series("b", np.ones((9, 1), np.int32))])
    >>> back = codec.decompress(read(file.content))
    >>> [bool((one.levels == other.levels).all()) for one, other in zip(file.series, back)]
    [True, True]
    """

    def __init__(
        self,
        model: Model,
        *,
        bits: int,
        description: Mapping[str, object] | None = None,
        run: str = "",
        context: Context | None = None,
    ) -> None:
        self.levels = lossy.quantised(model)
        if not (model.timed and self.levels and bits):
            raise HvaeError("this model is no lossy codec of sound: expected one of codes, such as speech-rqvae")
        self.identity, self.model = identity(model, description or {}), still(model)
        self.bits, self.run, self.shape = bits, run, tuple(model.shape)
        self.context = settled(self.model, context)
        self.probabilities = lossy.fingerprint(self.model, self.context)

    def compress(
        self, series: Sequence[Series], keep: int | None = None, *, verify: bool = True, tick: Tick | None = None
    ) -> LossySeries:
        """Compress recordings with the top `keep` codebooks, or all; `tick(done, total)` counts groups.

        Raises HvaeError when there is nothing to compress, no such level, or a group does not decode to what was sent.
        """
        started, names = time.perf_counter(), self.levels[: depth(keep, len(self.levels))]
        check(series, self.shape[1:], 2**self.bits)
        parts, sent = _groups([len(one.levels) for one in series]), list[Sent]()
        for done, part in enumerate(parts, 1):
            some = [one.levels for one in series[part.start : part.start + part.tiles]]
            lengths = torch.tensor([len(one) for one in some])
            sent.append(
                lossy.encode(self.model, _padded(some), names, self.bits, context=self.context, lengths=lengths)
            )
            if tick is not None:
                tick(done, len(parts))
        back = [one for part, s in zip(parts, sent, strict=True) for one in self._cut(s.levels, series, part)]
        before = time.perf_counter()
        if verify:
            self._verify(parts, sent, series)
        return LossySeries(
            self._written(series, parts, sent),
            levels=tuple(cost(name, sent) for name in names),
            series=tuple(back),
            values=sum(len(one.samples()) for one in series),
            snr=float(np.mean([_snr(a, b, self.bits) for a, b in zip(series, back, strict=True)])),
            seconds=time.perf_counter() - started,
            check_seconds=time.perf_counter() - before if verify else 0.0,
        )

    def decompress(
        self, file: File, only: int | None = None, levels: int | None = None, tick: Tick | None = None
    ) -> list[Series]:
        """The recordings of a file, or the one of an index, by its top `levels` levels, or all that are there.

        Raises HvaeError when the file is of another model, this machine computes other probabilities, a chunk is
        damaged, or fewer levels are there than asked for.
        """
        items, parts, numbers, deep = self._plan(file, only, levels)
        chunks = {g: self._chunks(file, len(parts), g, deep[g]) for g in numbers}
        outline = [_silent(item, self.shape[1:]) for item in items]
        back = dict[int, Series]()
        for done, g in enumerate(numbers, 1):
            some = self._decoded(chunks[g], parts[g], outline)
            back |= {parts[g].start + i: one for i, one in enumerate(self._cut(some, outline, parts[g]))}
            if tick is not None:
                tick(done, len(numbers))
        return [back[index] for index in chosen(only, len(items))]

    def depth(self, file: File, only: int | None = None, levels: int | None = None) -> tuple[int, int]:
        """By how many levels `decompress` shows every recording, and how many the file was written with."""
        _, parts, _, deep = self._plan(file, only, levels)
        return min(deep.values()), len(file.header.blocks) // len(parts)

    def _plan(
        self, file: File, only: int | None, levels: int | None
    ) -> tuple[list[Item], list[Group], list[int], dict[int, int]]:
        self._check(file.header)
        items = list(_each(file.header))
        parts = _groups([item.height for item in items])
        chosen_items = chosen(only, len(items))
        numbers = holding(parts, chosen_items[0], chosen_items[-1] + 1)
        return items, parts, numbers, depths(file, parts, len(self.levels), levels, numbers)

    def _decoded(self, chunks: Mapping[str, Chunk], part: Group, series: Sequence[Series]) -> NDArray[Any]:
        lengths = torch.tensor([len(one.levels) for one in series[part.start : part.start + part.tiles]])
        return lossy.decode(self.model, chunks, part.tiles, self.bits, context=self.context, lengths=lengths)

    def _cut(self, levels: NDArray[Any], series: Sequence[Series], part: Group) -> Iterator[Series]:
        """A group of padded levels as the recordings they are of."""
        some = series[part.start : part.start + part.tiles]
        for row, one in zip(levels, some, strict=True):
            yield Series(one.name, row[: len(one.levels)].astype(np.int32), one.padding)

    def _verify(self, parts: Sequence[Group], sent: Sequence[Sent], series: Sequence[Series]) -> None:
        for part, s in zip(parts, sent, strict=True):
            if not np.array_equal(self._decoded(s.chunks, part, series), s.levels):
                raise HvaeError("a recording does not decode to what its encoder saw; nothing was written: report this")

    def _written(self, series: Sequence[Series], parts: Sequence[Group], sent: Sequence[Sent]) -> bytes:
        chunks = [(part.tiles, s.chunks[name]) for name in sent[0].chunks for part, s in zip(parts, sent, strict=True)]
        header = Header(
            order=LOSSY_IN_TIME,
            bits=self.bits,
            shape=self.shape,
            model=self.identity,
            probabilities=self.probabilities,
            run=self.run,
            items=tuple(Item(one.name, SEQUENCE, len(one.levels), 1 + one.padding) for one in series),
            blocks=tuple(Block(n, len(c.payload), zlib.crc32(c.payload), c.content) for n, c in chunks),
        )
        return write(header, [chunk.payload for _, chunk in chunks])

    def _check(self, header: Header) -> None:
        check_model(header, self.identity)
        if header.order != LOSSY_IN_TIME or header.levels or (header.bits, header.shape) != (self.bits, self.shape):
            raise HvaeError(f"expected a file of codes of {self.shape} of {self.bits} bits; it is damaged")
        check_probabilities(header, self.probabilities, self.context)
        check_counts(header)
        count = sum(item.count for item in header.items)
        if not 0 < count <= sum(block.count for block in header.blocks):
            raise HvaeError("the recordings of the file do not fit its blocks; the file is damaged")

    def _chunks(self, file: File, count: int, g: int, depth: int) -> dict[str, Chunk]:
        """The top `depth` chunks of one of `count` groups, by level."""
        places = [level * count + g for level in range(depth)]
        return {
            name: Chunk(file.payload(at), file.header.blocks[at].content)
            for name, at in zip(self.levels, places, strict=False)
        }


def _groups(lengths: Sequence[int]) -> list[Group]:
    """Neighbours that are coded together, by their numbers of steps.

    >>> [group.tiles for group in _groups([_VALUES, 5, 6])]
    [1, 2]
    """
    parts, start, longest = list[Group](), 0, 0
    for at, length in enumerate(lengths):
        longest = max(longest, length)
        if at > start and (at - start >= ROWS or (at + 1 - start) * longest > _VALUES):
            parts.append(Group((), start, at - start))
            start, longest = at, length
    return [*parts, Group((), start, len(lengths) - start)]


def _padded(levels: Sequence[Whole]) -> NDArray[Any]:
    """Recordings (T, S) in one array (N, T, S), zeros behind each: the model puts silence there."""
    out = np.zeros((len(levels), max(map(len, levels)), *levels[0].shape[1:]), np.int32)
    for row, one in zip(out, levels, strict=True):
        row[: len(one)] = one
    return out


def _silent(item: Item, step: tuple[int, ...]) -> Series:
    """A recording of an item's length, whose levels nobody has decoded: they take no memory."""
    return Series(item.name, np.broadcast_to(np.int32(0), (item.height, *step)), item.width - 1)


def _each(header: Header) -> Iterator[Item]:
    """One item a recording."""
    for item in header.items:
        yield from repeat(Item(item.name, item.mode, item.height, item.width), item.count)


def _snr(sound: Series, other: Series, bits: int) -> float:
    middle = (2**bits - 1) / 2
    a, b = (one.samples().astype(np.float64) - middle for one in (sound, other))
    return float(10 * np.log10(max(np.mean(a**2), 1e-9) / max(np.mean((a - b) ** 2), 1e-9)))
