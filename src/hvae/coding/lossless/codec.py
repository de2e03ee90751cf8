"""A trained model as a lossless codec: pictures, signals or volumes to the bytes of one file, and back.

Shapes: `C H W` a picture; `N` all tiles of all pictures, of the model's shape.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
import torch

from hvae.coding.entropy.numerics import Build, calm, identity, resized, settled, still
from hvae.coding.files.classic import Levels, squeeze
from hvae.coding.files.container import Block, File, Header, Item, write
from hvae.coding.files.pictures import Picture, check_levels, check_names, check_tile, join, layout, split
from hvae.coding.files.reading import (
    Tick,
    check_model,
    check_probabilities,
    chosen,
    each_item,
    rests,
    shown,
    without_model,
)
from hvae.coding.lossless import block as blocks
from hvae.coding.lossless import crew
from hvae.coding.lossless.block import Account
from hvae.coding.lossless.book import FINENESS, Book, calibrate
from hvae.coding.lossless.coder import ORDERS, Coder, best_order, fingerprint
from hvae.coding.lossless.compressed import Compressed, Settings
from hvae.coding.lossless.crew import Coded
from hvae.coding.lossless.tiles import Tiles
from hvae.condition import Context
from hvae.counts import whole
from hvae.errors import HvaeError
from hvae.walk import Model

CLASSIC = len(ORDERS)
"""The order of a file with every picture in a classic format, because the model would compress worse."""
_CALIBRATION = 16
_SOME = 64
_AT_ONCE = 1 << 18
"""Pixels per run: activations must fit into memory."""
_NOTHING = bytes(8)


class Codec:
    """Compresses pictures, signals or volumes with a model, and decompresses them with the same one.

    Arguments: `model`, which is copied; `bits` of its data, at most 8; `description`, anything JSON can hold that
    belongs to the model's identity; `run`, where a reader may look for the model first; `build`, a shape (C, H, W) to
    an untrained model of the same kind, for tiles of other sizes; `context`, one value for all pictures of each
    condition of a conditional model, which a reader must give again.  Raises HvaeError when it does not fit.

    >>> import hvae
    >>> from hvae.coding import read
    >>> from hvae.config.model import VAEConfig
    >>> codec = hvae.Codec(hvae.build(VAEConfig(latent=2, widths=(8,)), shape=(1, 4, 4), bits=1), bits=1)
    >>> file = codec.compress([Picture("a", np.eye(8, dtype=np.uint8)[None], 0)])
    >>> bool((codec.decompress(read(file.content))[0].levels == np.eye(8)).all())
    True
    """

    def __init__(
        self,
        model: Model,
        *,
        bits: int,
        description: Mapping[str, object] | None = None,
        run: str = "",
        build: Build | None = None,
        context: Context | None = None,
    ) -> None:
        if whole("bits", bits) > 8:
            raise HvaeError(f"expected a model of 1 to 8 bits, got {bits}; more than 8 bits are not coded yet")
        if model.timed:
            raise HvaeError(
                f"expected a model of data of one shape, got one of sequences {model.shape}; use SeriesCodec"
            )
        self.identity, self.model = identity(model, description or {}), still(model)
        self.bits, self.shape, self.run, self.build = bits, tuple(model.shape), run, build
        self.context = settled(self.model, context)

    def sized(self, shape: tuple[int, ...]) -> Codec:
        """The codec of the same weights for tiles of another shape (C, H, W), up to a whole picture.

        Raises HvaeError when the weights are those of one size alone, or for a shape that no tile has.
        """
        if shape == self.shape:
            return self
        check_tile(shape, self.shape)
        codec = copy.copy(self)
        codec.shape, codec.model = shape, resized(self.model, self.build, shape)
        return codec

    def calibrate(self, tiles: Levels, fineness: float = FINENESS) -> Book:
        """Calibrate the bins of each level on the posterior of some tiles, (N, *shape) of integers.

        Raises HvaeError (Uncodable) when the model's latents or data cannot be coded.
        """
        with calm(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            x = torch.from_numpy(tiles).double() / (2**self.bits - 1)
            return calibrate(self.model, self.model.evidence(x, self.context), fineness)

    def compress(
        self,
        pictures: Sequence[Picture],
        settings: Settings | None = None,
        *,
        book: Book | None = None,
        tick: Tick | None = None,
    ) -> Compressed:
        """Compress pictures to the bytes of a file; `book`, calibrated bins (none: calibrated on these pictures).

        `tick(done, total)` counts tiles.
        """
        started, settings = time.perf_counter(), settings or Settings()
        check_names(pictures, self.run)
        tiles = np.concatenate([split(self._checked(picture), self.shape) for picture in pictures])  # (N, *shape)
        coder = self.coder(book or self.calibrate(tiles[:_CALIBRATION], settings.fineness))
        settings = replace(settings, rows=max(1, min(settings.rows, _AT_ONCE // int(np.prod(self.shape[1:])))))
        coded = list(_coded(coder, tiles, settings, tick))
        aside = _aside(pictures)
        header = self._header(_items(pictures), [*(m.block for m in coded), *(block for block, _ in aside)], coder)
        container = write(header, [*(m.payload for m in coded), *(payload for _, payload in aside)])
        content, order = self._smaller(container, coder.order.name, pictures)
        return Compressed(
            content,
            order=order,
            account=sum((m.account for m in coded), Account()),
            dims=sum(picture.values for picture in pictures),
            tile=int(np.prod(self.shape)),
            blocks=len(coded),
            kept=sum(m.is_classic for m in coded),
            seconds=time.perf_counter() - started,
            check_seconds=sum(m.check_seconds for m in coded),
        )

    def decompress(
        self, file: File, only: int | None = None, tick: Tick | None = None, workers: int = 1
    ) -> list[Picture]:
        """The pictures of a file, or the one of an index, for which only its own blocks are decoded.

        `workers` processes decode blocks (0: as many as pay).  Raises HvaeError when the file is of another model, this
        machine computes other probabilities, or anything at all differs from what was compressed.
        """
        header = file.header
        if header.order == CLASSIC:
            return without_model(file, only)
        self._check(header)
        if header.shape != self.shape:
            return self.sized(header.shape).decompress(file, only, tick, workers)
        if only is None:
            file.check()  # before any time is spent on decoding
        coder = self.coder(Book(header.levels), header.order)
        check_probabilities(header, fingerprint(coder), self.context)
        return self._pictures(file, coder, only, Tiles(file, coder, self.shape, tick, workers))

    def _checked(self, picture: Picture) -> Levels:
        levels = check_levels(picture, self.shape, self.bits)
        rest = np.zeros((0, *levels.shape[1:]), np.uint8) if picture.rest is None else picture.rest
        if rest.shape != (picture.kind.rest, *levels.shape[1:]) or rest.dtype != np.uint8:
            raise HvaeError(f"expected {picture.kind.rest} planes of uint8 beside the levels of {picture.name}")
        return levels

    def coder(self, book: Book, order: int | None = None) -> Coder:
        """A coder with these bins, in the best order for the model or a given one."""
        chosen_order = best_order(self.model) if order is None else order
        return Coder(self.model, ORDERS[chosen_order], book, self.bits, self.context)

    def _header(self, items: Iterable[Item], entries: Sequence[Block], coder: Coder | None) -> Header:
        return Header(
            order=CLASSIC if coder is None else ORDERS.index(coder.order),
            bits=self.bits,
            shape=self.shape,
            model=self.identity,
            probabilities=_NOTHING if coder is None else fingerprint(coder),
            run=self.run,
            levels={} if coder is None else coder.book.levels,
            items=tuple(items),
            blocks=tuple(entries),
        )

    def _smaller(self, content: bytes, order: str, pictures: Sequence[Picture]) -> tuple[bytes, str]:
        """The file and its order, or the classic file where that is smaller."""
        some = pictures[:: -(-len(pictures) // _SOME)]
        guess = sum(len(squeeze(picture.levels[None], self.bits)) for picture in some) / len(some)
        if len(content) < 0.7 * guess * len(pictures) and len(some) < len(pictures):
            return content, order
        return min((content, order), (self._classic(pictures), "classic"), key=lambda choice: len(choice[0]))

    def _classic(self, pictures: Sequence[Picture]) -> bytes:
        """A file that keeps each picture in a classic format."""
        payloads = [squeeze(picture.levels[None], self.bits) for picture in pictures]
        parts = [
            (crew.entry(1, payload, picture.levels), payload)
            for payload, picture in zip(payloads, pictures, strict=True)
        ]
        entries, contents = zip(*parts, *_aside(pictures), strict=True)
        return write(self._header(_items(pictures), entries, None), contents)

    def _check(self, header: Header) -> None:
        if header.order >= len(ORDERS):
            raise HvaeError(f"expected an order of coding below {len(ORDERS)}, got {header.order}; update hvae")
        check_model(header, self.identity)
        if header.order > best_order(self.model):
            raise HvaeError(f"the file says order {ORDERS[header.order].name}, which this model has not; it is damaged")
        if header.bits != self.bits:
            raise HvaeError(f"expected images of {self.bits} bits, the file has {header.bits}")

    def _pictures(self, file: File, coder: Coder, only: int | None, tiles: Tiles) -> list[Picture]:
        items = each_item(file.header)
        counts = [layout(item.height, item.width, self.shape).tiles for item in items]
        ends = np.cumsum([0, *counts])
        if ends[-1] != sum(b.count for b in file.header.blocks):
            raise HvaeError("the pictures of the file do not fit its blocks; the file is damaged")
        if only is None:
            tiles.all()
        places, pictures = chosen(only, len(items)), []
        planes = rests(file, items, places)
        for i in places:
            item = items[i]
            levels = join(tiles.between(ends[i], ends[i + 1]), item.height, item.width)
            pictures.append(shown(item, levels, planes.get(i)))
        return pictures


def _coded(coder: Coder, tiles: Levels, settings: Settings, tick: Tick | None) -> Iterator[Coded]:
    """The coded blocks of a file in order; `tick` is called every step in this process, every block in others."""
    parts = [tiles[at : at + settings.block] for at in range(0, len(tiles), settings.block)]
    starts = np.cumsum([0, *(len(part) for part in parts)])
    workers = settings.workers or crew.hands(coder, [len(part) for part in parts])
    listeners = [_shifted(tick, int(at), len(tiles)) if workers == 1 else bool for at in starts[:-1]]
    jobs = [(part, settings.rows, settings.verify, listen) for part, listen in zip(parts, listeners, strict=True)]
    for end, coded in zip(starts[1:], crew.each(crew.code, coder, jobs, workers), strict=True):
        if tick is not None:
            tick(int(end), len(tiles))
        yield coded


def _aside(pictures: Sequence[Picture]) -> list[tuple[Block, bytes]]:
    """Planes that the model does not code: a block without tiles for each picture that has them."""
    entries = []
    for rest in (picture.rest for picture in pictures if picture.rest is not None):
        payload = squeeze(rest[:, None], 8)  # (R, 1, H, W)
        entries.append((crew.entry(0, payload, rest), payload))
    return entries


def _shifted(tick: Tick | None, start: int, total: int) -> blocks.Listener:
    return bool if tick is None else lambda done: tick(start + done, total)


def _items(pictures: Sequence[Picture]) -> list[Item]:
    """Neighbours that differ in nothing share one item."""
    kinds = [
        Item(p.name, p.mode, *(p.levels.shape[1:] if p.levels.ndim == 3 else (1, p.levels.size))) for p in pictures
    ]
    return [Item(kind.name, kind.mode, kind.height, kind.width, len(list(same))) for kind, same in groupby(kinds)]
