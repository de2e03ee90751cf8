"""A trained model as a lossless codec: pictures to the bytes of one file, and back.

Shapes: `C H W` a picture; `N` all tiles of all pictures, of the model's shape.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import torch

from hvae.coding import block as blocks
from hvae.coding.block import MOST_ROWS, Account
from hvae.coding.book import FINENESS, Book, calibrate
from hvae.coding.classic import Levels, squeeze
from hvae.coding.coder import ORDERS, Coder, best_order, fingerprint
from hvae.coding.container import Block, File, Header, Item, write
from hvae.coding.numerics import calm, identity, still
from hvae.coding.pictures import Picture, join, layout, split
from hvae.coding.reading import Tick, Tiles, chosen, each_item, without_model
from hvae.errors import HvaeError
from hvae.walk import Model

CLASSIC = len(ORDERS)
"""The order of a file that keeps every picture in a classic format, because the model would have cost more."""
_CALIBRATION = 16
_SOME = 64
_NOTHING = bytes(8)


@dataclass(frozen=True)
class Settings:
    """How a file is made; nothing of it has to be told to the reader."""

    fineness: float = FINENESS
    """Bins to a standard deviation of q: finer borrows more, coarser distorts what the decoder sees."""
    block: int = 512
    """Tiles to a block: each block can be decoded alone, and pays for its own start."""
    rows: int = 16
    """Tiles walked at once, at most."""
    verify: bool = True
    """Decode each block once it is written; one that fails is kept in a classic format."""

    def __post_init__(self) -> None:
        if not (self.block >= 1 and 1 <= self.rows <= MOST_ROWS):
            raise HvaeError(f"expected blocks of 1 tile or more and 1 to {MOST_ROWS} rows at once, got {self}")


@dataclass(frozen=True)
class Compressed:
    """A file, and what went into it."""

    content: bytes
    order: str
    account: Account
    dims: int
    """Values of all pictures: bits over it are bits a dimension."""
    tile: int
    """Values of one tile: what the account counts."""
    blocks: int
    kept: int
    """Blocks that failed to decode and were kept in a classic format: expected 0."""
    seconds: float
    check_seconds: float
    """Of them, spent on decoding again."""

    def to_dict(self) -> dict[str, Any]:
        found = {name: value for name, value in asdict(self).items() if name != "content"}
        a, chained = self.account, self.chained or 1
        rates = {"bits_per_dim": 8 * len(self.content) / self.dims, "net_bits_per_dim": a.net / chained}
        return {**found, "bytes": len(self.content), **rates, "elbo_bits_per_dim": a.elbo / chained}

    @property
    def chained(self) -> int:
        """Values of the tiles that the model has coded."""
        return self.tile * (self.account.images - self.account.seeds)


@dataclass(eq=False)
class _Made:
    """What a file is made of, block after block."""

    blocks: list[Block] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    account: Account = field(default_factory=Account)
    kept: int = 0
    check_seconds: float = 0.0


class Codec:
    """Compresses pictures with a model, and decompresses them with the same one.

    Arguments: `model`, which is copied; `bits` of its data, at most 8; `description`, anything JSON can hold that
    belongs to the model's identity; `run`, where a reader may look for the model first.

    >>> from hvae.coding.container import read
    >>> from hvae.config.model import VAEConfig
    >>> from hvae.zoo import build
    >>> codec = Codec(build(VAEConfig(latent=2, widths=(8,)), shape=(1, 4, 4), bits=1), bits=1)
    >>> made = codec.compress([Picture("a", np.eye(8, dtype=np.uint8)[None], 0)])
    >>> bool((codec.decompress(read(made.content))[0].levels == np.eye(8)).all())
    True
    """

    def __init__(self, model: Model, *, bits: int, description: Mapping[str, Any] | None = None, run: str = "") -> None:
        if bits > 8:
            raise HvaeError(f"expected a model of 1 to 8 bits, got {bits}; more than 8 bits are not coded yet")
        self.identity, self.model = identity(model, description or {}), still(model)
        self.bits, self.shape, self.run = bits, tuple(model.shape), run

    def calibrate(self, tiles: Levels, fineness: float = FINENESS) -> Book:
        """Bins for each level, from what the posterior does with some tiles, (N, *shape) of integers.

        Raises HvaeError (Uncodable) when the model's latents or data cannot be coded.
        """
        with calm(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            x = torch.from_numpy(tiles).double() / (2**self.bits - 1)
            return calibrate(self.model, self.model.evidence(x), fineness)

    def compress(
        self,
        pictures: Sequence[Picture],
        settings: Settings | None = None,
        *,
        book: Book | None = None,
        tick: Tick | None = None,
    ) -> Compressed:
        """Pictures as the bytes of a file; `book`, bins calibrated before, else on these pictures.

        `tick` is told how many tiles of how many are done.
        """
        started, settings = time.perf_counter(), settings or Settings()
        if not pictures:
            raise HvaeError("expected at least one picture to compress, got none")
        tiles = np.concatenate([split(self._checked(picture), self.shape) for picture in pictures])  # (N, *shape)
        coder = self.coder(book or self.calibrate(tiles[:_CALIBRATION], settings.fineness))
        made = _Made()
        for at in range(0, len(tiles), settings.block):
            self._add(made, coder, tiles[at : at + settings.block], settings, _shifted(tick, at, len(tiles)))
        header = self._header(_items(pictures), made.blocks, coder)
        content, order = self._smaller(write(header, made.payloads), coder.order.name, pictures)
        return Compressed(
            content,
            order=order,
            account=made.account,
            dims=sum(picture.levels.size for picture in pictures),
            tile=int(np.prod(self.shape)),
            blocks=len(made.blocks),
            kept=made.kept,
            seconds=time.perf_counter() - started,
            check_seconds=made.check_seconds,
        )

    def decompress(self, file: File, only: int | None = None, tick: Tick | None = None) -> list[Picture]:
        """The pictures of a file, or the one of an index, for which only its own blocks are decoded.

        Raises HvaeError when the file is of another model, this machine computes other probabilities, or anything at
        all differs from what was compressed.
        """
        header = file.header
        if header.order == CLASSIC:
            return without_model(file, only)
        self._check(header)
        if only is None:
            file.check()  # before any time is spent on decoding
        coder = self.coder(Book(header.levels), header.order)
        if fingerprint(coder) != header.probabilities:
            raise HvaeError(
                "this machine or this version of torch computes other probabilities than the one that wrote the file; "
                "decompress it there"
            )
        return self._pictures(file, coder, only, tick)

    def _checked(self, picture: Picture) -> Levels:
        levels = picture.levels
        if levels.ndim != len(self.shape) or levels.shape[0] != self.shape[0]:
            raise HvaeError(f"expected levels of a shape like {self.shape}, got {levels.shape} for {picture.name}")
        if levels.dtype != np.uint8 or int(levels.max(initial=0)) >> self.bits:
            raise HvaeError(f"expected levels 0 to {2**self.bits - 1} as uint8, got others in {picture.name}")
        return levels

    def coder(self, book: Book, order: int | None = None) -> Coder:
        """What puts images on a stack with these bins, in the best order for this model or a given one."""
        chosen_order = best_order(self.model) if order is None else order
        return Coder(self.model, ORDERS[chosen_order], book, self.bits)

    def _add(self, made: _Made, coder: Coder, tiles: Levels, settings: Settings, told: blocks.Told) -> None:
        payload, account = blocks.encode(coder, tiles, settings.rows, told)
        started = time.perf_counter()
        if settings.verify and not self._comes_back(coder, payload, tiles):
            payload, account = blocks.kept(tiles, self.bits)
            made.kept += 1
        made.check_seconds += time.perf_counter() - started
        made.blocks.append(Block(len(tiles), len(payload), zlib.crc32(payload), zlib.crc32(tiles.tobytes())))
        made.payloads.append(payload)
        made.account += account

    def _comes_back(self, coder: Coder, payload: bytes, tiles: Levels) -> bool:
        try:
            return np.array_equal(blocks.decode(coder, payload, self.shape, len(tiles)), tiles)
        except HvaeError:
            return False

    def _header(self, items: Iterable[Item], made: Sequence[Block], coder: Coder | None) -> Header:
        return Header(
            order=CLASSIC if coder is None else ORDERS.index(coder.order),
            bits=self.bits,
            shape=self.shape,
            model=self.identity,
            probabilities=_NOTHING if coder is None else fingerprint(coder),
            run=self.run,
            levels={} if coder is None else coder.book.levels,
            items=tuple(items),
            blocks=tuple(made),
        )

    def _smaller(self, content: bytes, order: str, pictures: Sequence[Picture]) -> tuple[bytes, str]:
        """A file and its order, or the classic one where that is smaller; not tried on many where it cannot be."""
        some = pictures[:: -(-len(pictures) // _SOME)]
        guess = sum(len(squeeze(picture.levels[None], self.bits)) for picture in some) / len(some)
        if len(content) < 0.7 * guess * len(pictures) and len(some) < len(pictures):
            return content, order
        return min((content, order), (self._classic(pictures), "classic"), key=lambda found: len(found[0]))

    def _classic(self, pictures: Sequence[Picture]) -> bytes:
        """A file that keeps each picture in a classic format."""
        payloads = [squeeze(picture.levels[None], self.bits) for picture in pictures]
        made = [
            Block(1, len(payload), zlib.crc32(payload), zlib.crc32(picture.levels.tobytes()))
            for payload, picture in zip(payloads, pictures, strict=True)
        ]
        return write(self._header(_items(pictures), made, None), payloads)

    def _check(self, header: Header) -> None:
        if header.order >= len(ORDERS):
            raise HvaeError(f"expected an order of coding below {len(ORDERS)}, got {header.order}; update hvae")
        if header.model != self.identity:
            raise HvaeError(
                f"this file was made with another model (sha256 {header.model.hex()[:12]}..., "
                f"this one is {self.identity.hex()[:12]}...); give the run it was made with"
                + (f", once at {header.run}" if header.run else "")
            )
        if (header.shape, header.bits) != (self.shape, self.bits):
            raise HvaeError(
                f"expected images {self.shape} of {self.bits} bits, the file has {header.shape} of {header.bits}"
            )

    def _pictures(self, file: File, coder: Coder, only: int | None, tick: Tick | None) -> list[Picture]:
        items = each_item(file.header)
        counts = [layout(item.height, item.width, self.shape).tiles for item in items]
        ends = np.cumsum([0, *counts])
        if ends[-1] != sum(b.count for b in file.header.blocks):
            raise HvaeError("the pictures of the file do not fit its blocks; the file is damaged")
        tiles = Tiles(file, coder, self.shape, tick)
        found = []
        for i in chosen(only, len(items)):
            item = items[i]
            levels = join(tiles.between(ends[i], ends[i + 1]), item.height, item.width)
            found.append(Picture(item.name, levels, item.mode))
        return found


def _shifted(tick: Tick | None, start: int, total: int) -> blocks.Told:
    return bool if tick is None else lambda done: tick(start + done, total)


def _items(pictures: Sequence[Picture]) -> list[Item]:
    """Neighbours that differ in nothing share one item."""
    kinds = [
        Item(p.name, p.mode, *(p.levels.shape[1:] if p.levels.ndim == 3 else (1, p.levels.size))) for p in pictures
    ]
    return [Item(kind.name, kind.mode, kind.height, kind.width, len(list(same))) for kind, same in groupby(kinds)]
