"""A trained model of sequences as a lossless codec: sequences to the bytes of one file, and back.

Shapes: `N` sequences; `T` steps of one; `...` one step.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, repeat

import numpy as np
import torch

from hvae.coding.entropy.numerics import calm, identity, settled, still
from hvae.coding.entropy.steady import Uncodable
from hvae.coding.files.container import Block, File, Header, Item, write
from hvae.coding.files.header import IN_TIME, MOST_BITS, SEQUENCE
from hvae.coding.files.reading import Tick, check_model, check_probabilities, chosen
from hvae.coding.files.series import Series, Whole, check
from hvae.coding.lossless import chain
from hvae.coding.lossless.block import Account
from hvae.coding.lossless.book import FINENESS, Book, calibrate
from hvae.coding.lossless.chain import SeriesCoder
from hvae.coding.lossless.coder import with_enough_noise
from hvae.coding.lossless.compressed import CompressedSeries
from hvae.condition import Context
from hvae.errors import HvaeError
from hvae.walk import Model

BLOCK = 512
"""Sequences to a block: each can be decoded alone."""
_CALIBRATION = 4
_PROBE = 2
"""Steps of the sequence by whose probabilities two machines are compared."""


class SeriesCodec:
    """Compresses sequences with a timed model, and decompresses them with the same one, in the order of time.

    Arguments: `model`, which is copied; `bits` of a value, and `symbols` of it (none: 2^bits); `unit`, what a level is
    divided by to be a value (none: 2^bits - 1; 1 for symbols); `description`, anything JSON can hold that belongs to
    the model's identity; `run`, where a reader may look for the model first; `context`, one value for all sequences.
    Raises HvaeError for models without time, and for real numbers, which no number of bits tells apart.

    >>> import hvae
    >>> from hvae.coding import read
    >>> from hvae.config.sequences import VRNNConfig
    >>> model = hvae.build(VRNNConfig(latent=2, state=4, width=4), shape=(5, 3), bits=1)
    >>> codec = SeriesCodec(model, bits=1)
    >>> whole = [Series("a", np.ones((5, 3), np.int32)), Series("b", np.eye(3, dtype=np.int32))]
    >>> back = codec.decompress(read(codec.compress(whole).content))
    >>> [bool((one.levels == other.levels).all()) for one, other in zip(whole, back)]
    [True, True]
    """

    def __init__(
        self,
        model: Model,
        *,
        bits: int,
        symbols: int | None = None,
        unit: float | None = None,
        description: Mapping[str, object] | None = None,
        run: str = "",
        context: Context | None = None,
    ) -> None:
        if not model.timed:
            raise HvaeError(f"expected a model of sequences, got one of shape {model.shape}; use Codec")
        if not 1 <= bits <= MOST_BITS:
            raise Uncodable(
                f"expected values of 1 to {MOST_BITS} bits, got {bits or 'real numbers'}: a density gives no "
                "probability to a number, so it codes none without loss; keep real numbers as .npz"
            )
        self.identity, self.model = identity(model, description or {}), still(model)
        self.bits, self.shape, self.run = bits, tuple(model.shape), run
        self.symbols, self.unit = symbols or 2**bits, unit or 2.0**bits - 1
        self.context = settled(self.model, context)

    def calibrate(self, levels: Sequence[Whole], fineness: float = FINENESS) -> Book:
        """Calibrate the bins of each level on the posterior of some sequences (T, ...).

        Raises HvaeError (Uncodable) when the model's latents or data cannot be coded.
        """
        steps = min(map(len, levels))
        with calm(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            x = torch.from_numpy(np.stack([one[:steps] for one in levels])).double() / self.unit
            return calibrate(self.model, self.model.evidence(x, self.context), fineness)

    def compress(
        self,
        series: Sequence[Series],
        *,
        fineness: float = FINENESS,
        verify: bool = True,
        book: Book | None = None,
        tick: Tick | None = None,
    ) -> CompressedSeries:
        """Compress sequences to the bytes of a file; `verify`, decode each block and keep one that fails as it is.

        `tick(done, total)` counts sequences.
        """
        started = time.perf_counter()
        check(series, self.shape[1:], self.symbols)
        levels = [one.levels for one in series]
        coder = self.coder(book or self.calibrate(levels[:_CALIBRATION], fineness))
        coded = [self._block(coder, levels, at, verify, tick) for at in range(0, len(levels), BLOCK)]
        header = Header(
            order=IN_TIME,
            bits=self.bits,
            shape=self.shape,
            model=self.identity,
            probabilities=self.fingerprint(coder),
            run=self.run,
            levels=coder.book.levels,
            items=tuple(_items(series)),
            blocks=tuple(one.entry for one in coded),
        )
        return CompressedSeries(
            write(header, [one.payload for one in coded]),
            account=sum((one.account for one in coded), Account()),
            values=sum(one.size for one in levels),
            steps=sum(map(len, levels)),
            blocks=len(coded),
            kept=sum(one.is_kept for one in coded),
            seconds=time.perf_counter() - started,
            check_seconds=sum(one.check_seconds for one in coded),
        )

    def _block(self, coder: SeriesCoder, levels: Sequence[Whole], at: int, verify: bool, tick: Tick | None) -> _Coded:
        some = levels[at : at + BLOCK]
        listen = bool if tick is None else lambda done: tick(at + done, len(levels))
        payload, account = chain.encode(coder, some, listen)
        started = time.perf_counter()
        is_kept = verify and not _comes_back(coder, payload, some)
        if is_kept:
            payload, account = chain.classic(coder, some)
        seconds = time.perf_counter() - started if verify else 0.0
        entry = Block(len(some), len(payload), zlib.crc32(payload), _content(some))
        return _Coded(entry, payload, account, is_kept, seconds)

    def decompress(self, file: File, only: int | None = None, tick: Tick | None = None) -> list[Series]:
        """The sequences of a file, or the one of an index, for which only its own block is decoded.

        Raises HvaeError when the file is of another model, this machine computes other probabilities, or anything at
        all differs from what was compressed.
        """
        header = file.header
        if header.order != IN_TIME:
            raise HvaeError("expected a file of sequences, got one of pictures; give the run it was made with")
        check_model(header, self.identity)
        if (header.bits, header.shape) != (self.bits, self.shape):
            raise HvaeError(f"expected {self.shape} of {self.bits} bits, the file says otherwise; it is damaged")
        if sum(item.count for item in header.items) != sum(block.count for block in header.blocks):
            raise HvaeError("the sequences of the file do not fit its blocks; the file is damaged")
        items = list(_each(header))
        places = chosen(only, len(items))
        file.check()
        coder = self.coder(Book(header.levels))
        check_probabilities(header, self.fingerprint(coder), self.context)
        return self._series(file, coder, items, places, tick)

    def _series(
        self, file: File, coder: SeriesCoder, items: Sequence[Item], numbers: Sequence[int], tick: Tick | None
    ) -> list[Series]:
        sequences, first = list[Series](), 0
        for index, block in enumerate(file.header.blocks):
            places = range(first, first + block.count)
            first += block.count
            if not any(at in places for at in numbers):
                continue
            shapes = [(items[at].height, *self.shape[1:]) for at in places]
            levels = chain.decode(coder, file.payload(index), shapes)
            if _content(levels) != block.content:
                raise HvaeError(f"block {index} decodes to other sequences than were compressed; nothing was written")
            some = ((items[at], levels[at - places[0]]) for at in places if at in numbers)
            sequences += [Series(item.name, one, item.width - 1) for item, one in some]
            if tick is not None:
                tick(index + 1, len(file.header.blocks))
        return sequences

    def coder(self, book: Book) -> SeriesCoder:
        """A coder with these bins."""
        return SeriesCoder(self.model, book, self.bits, self.unit, self.context)

    def fingerprint(self, coder: SeriesCoder) -> bytes:
        """An 8-byte hash of the probabilities on two steps that are generated from fixed noise and inferred again."""
        stack = with_enough_noise(lambda stack: coder.decode(stack, 1, _PROBE))
        return hashlib.sha256(stack.words().astype("<u4").tobytes()).digest()[:8]


@dataclass(frozen=True, eq=False)
class _Coded:
    """One block: its entry in the header, its bytes, its account, and whether it failed verification."""

    entry: Block
    payload: bytes
    account: Account
    is_kept: bool
    check_seconds: float


def _items(series: Sequence[Series]) -> Iterator[Item]:
    """One for neighbours that differ in nothing; no name is that of the one before."""
    before = ""
    for (name, steps, padding), some in groupby(series, lambda one: (one.name, len(one.levels), one.padding)):
        yield Item("" if name == before else name, SEQUENCE, steps, 1 + padding, len(list(some)))
        before = name


def _each(header: Header) -> Iterator[Item]:
    """One item a sequence, with its name."""
    name = ""
    for item in header.items:
        name = item.name or name
        yield from repeat(replace(item, name=name), item.count)


def _content(levels: Sequence[Whole]) -> int:
    """The CRC-32 of the values of some sequences, one after another."""
    crc = 0
    for one in levels:
        crc = zlib.crc32(np.ascontiguousarray(one, dtype="<i4").data, crc)
    return crc


def _comes_back(coder: SeriesCoder, payload: bytes, levels: Sequence[Whole]) -> bool:
    try:
        back = chain.decode(coder, payload, [one.shape for one in levels])
    except HvaeError:
        return False
    return all(np.array_equal(one, other) for one, other in zip(back, levels, strict=True))
