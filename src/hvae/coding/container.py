"""The file: a header that says all, and blocks that can be read one by one.

    magic (8) | version u16 | header bytes u32 | file bytes u64 | header | CRC-32 of all before it u32 | blocks

All numbers are little-endian.  A reader checks the length and the CRC of the header before it believes a word of it,
and no size of it before it has found that so many bytes are there; each block has a CRC-32 of its bytes, and one of the
images that must come out of it.

    header = order u8 | bits u8 | shape | model (32) | probabilities (8) | run | levels | images | blocks
    shape  = dimensions u8, sizes u32;  run = text;  text = bytes u16, UTF-8
    levels = count u16: name text, kind u8 (0 relative, 1 grid: low f64, step f64), bits u8
    images = count u32: name text, mode u8, height u32, width u32, how many such u32
    blocks = count u32: images (or tiles) u32, bytes u64, CRC-32 of them u32, CRC-32 of what they hold u32
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any, TypeVar

from hvae.coding.bins import Grid, Relative
from hvae.errors import HvaeError

MAGIC = b"\x8bHVZ\r\n\x1a\n"
"""A byte that no text has, the name, and line ends, which a transfer as text would change."""
VERSION = 1
_MOST_PER_BYTE = 64
"""More images to a byte than any block holds: a step of 64 rows takes a byte."""
_FIXED = struct.Struct("<8sHIQ")
_CRC = struct.Struct("<I")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Item:
    """Images of the file: their name, mode (an index into `MODES` of `pictures`) and size, and how many such follow."""

    name: str
    mode: int
    height: int
    width: int
    count: int = 1


@dataclass(frozen=True)
class Block:
    """One block: how many images (or tiles) it holds, its bytes, their CRC-32, and the CRC-32 of what it holds."""

    count: int
    size: int
    crc: int
    content: int


@dataclass(frozen=True, kw_only=True)
class Header:
    """All that a file says of itself."""

    order: int
    bits: int
    shape: tuple[int, ...]
    model: bytes
    probabilities: bytes
    run: str
    levels: Mapping[str, Relative | Grid] = field(default_factory=dict)
    items: tuple[Item, ...]
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class File:
    """A header and the bytes of its blocks, each still as it was read."""

    header: Header
    payloads: tuple[memoryview, ...]

    def check(self) -> None:
        """Raises HvaeError when a bit of any block has flipped."""
        for index in range(len(self.payloads)):
            self.payload(index)

    def payload(self, index: int) -> bytes:
        """The bytes of one block.  Raises HvaeError when a bit of them has flipped."""
        found = bytes(self.payloads[index])
        if zlib.crc32(found) != self.header.blocks[index].crc:
            raise HvaeError(f"block {index} of the file is damaged (its checksum differs); restore it from a copy")
        return found


def write(header: Header, payloads: Iterable[bytes]) -> bytes:
    """The bytes of a file."""
    body, rest = _header(header), b"".join(payloads)
    total = _FIXED.size + len(body) + _CRC.size + len(rest)
    start = _FIXED.pack(MAGIC, VERSION, len(body), total) + body
    return start + _CRC.pack(zlib.crc32(start)) + rest


def read(content: bytes) -> File:
    """A file from its bytes.  Raises HvaeError when they are no such file, of another version, cut short or damaged."""
    if len(content) < _FIXED.size or content[: len(MAGIC)] != MAGIC:
        raise HvaeError("this is no .hvz file (it does not begin as one); give a file that 'hvae compress' has written")
    _, version, size, total = _FIXED.unpack_from(content)
    if version != VERSION:
        raise HvaeError(
            f"expected an .hvz file of version {VERSION}, got version {version}; update hvae, or write it again"
        )
    end = _FIXED.size + size
    if total != len(content) or end + _CRC.size > total:
        raise HvaeError(f"expected a file of {total} bytes, got {len(content)}; it was cut short or damaged")
    if _CRC.unpack_from(content, end)[0] != zlib.crc32(memoryview(content)[:end]):
        raise HvaeError("the header of the file is damaged (its checksum differs); restore it from a copy")
    return _split(_parsed(_Reader(content[_FIXED.size : end])), memoryview(content)[end + _CRC.size :])


def _split(header: Header, rest: memoryview) -> File:
    ends = list(accumulate((block.size for block in header.blocks), initial=0))
    if ends[-1] != len(rest):
        raise HvaeError(f"expected blocks of {ends[-1]} bytes, got {len(rest)}; the file is damaged")
    if any(block.count > _MOST_PER_BYTE * block.size for block in header.blocks):
        raise HvaeError("a block claims more images than its bytes can hold; the file is damaged")
    return File(header, tuple(rest[a:b] for a, b in pairwise(ends)))


def _header(h: Header) -> bytes:
    parts = [
        struct.pack("<BB", h.order, h.bits),
        struct.pack(f"<B{len(h.shape)}I", len(h.shape), *h.shape),
        h.model + h.probabilities + _text(h.run),
        struct.pack("<H", len(h.levels)),
        *(_text(name) + _choice(choice) for name, choice in h.levels.items()),
        struct.pack("<I", len(h.items)),
        *(_text(i.name) + struct.pack("<BIII", i.mode, i.height, i.width, i.count) for i in h.items),
        struct.pack("<I", len(h.blocks)),
        *(struct.pack("<IQII", b.count, b.size, b.crc, b.content) for b in h.blocks),
    ]
    return b"".join(parts)


def _text(text: str) -> bytes:
    raw = text.encode()
    if len(raw) >= 1 << 16:
        raise HvaeError(f"expected a name of less than 65,536 bytes, got {len(raw)}")
    return struct.pack("<H", len(raw)) + raw


def _choice(choice: Relative | Grid) -> bytes:
    if isinstance(choice, Relative):
        return struct.pack("<BB", 0, choice.bits)
    return struct.pack("<BddB", 1, choice.low, choice.step, choice.bits)


class _Reader:
    """Takes numbers and texts off bytes, never more than there are."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def bytes(self, count: int) -> bytes:
        if count > len(self.content) - self.at:
            raise HvaeError("the header of the file ends too early; the file is damaged")
        self.at += count
        return self.content[self.at - count : self.at]

    def numbers(self, form: str) -> tuple[Any, ...]:
        return struct.unpack("<" + form, self.bytes(struct.calcsize("<" + form)))

    def number(self, form: str) -> Any:
        return self.numbers(form)[0]

    def text(self) -> str:
        try:
            return self.bytes(self.number("H")).decode()
        except UnicodeDecodeError as fault:
            raise HvaeError("a name in the header is no text; the file is damaged") from fault

    def many(self, form: str, one: Callable[[], _T]) -> list[_T]:
        # Grows by what is found, not by what is claimed: each entry takes bytes that must be there.
        return [one() for _ in range(self.number(form))]


def _parsed(r: _Reader) -> Header:
    order, bits = r.numbers("BB")
    shape = tuple(r.numbers(f"{r.number('B')}I"))
    model, probabilities, run = r.bytes(32), r.bytes(8), r.text()
    levels = dict(r.many("H", lambda: (r.text(), _choice_from(r))))
    items = tuple(r.many("I", lambda: Item(r.text(), *r.numbers("BIII"))))
    blocks = tuple(r.many("I", lambda: Block(*r.numbers("IQII"))))
    if r.at != len(r.content):
        raise HvaeError("the header of the file is longer than what it says; the file is damaged")
    return Header(
        order=order,
        bits=bits,
        shape=shape,
        model=model,
        probabilities=probabilities,
        run=run,
        levels=levels,
        items=items,
        blocks=blocks,
    )


def _choice_from(r: _Reader) -> Relative | Grid:
    kind = r.number("B")
    if kind > 1:
        raise HvaeError(f"expected bins of kind 0 or 1, got {kind}; the file is damaged, or of a newer version")
    return Grid(*r.numbers("ddB")) if kind else Relative(r.number("B"))
