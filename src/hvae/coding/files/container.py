"""The .hvz container: a header, and blocks that can be read one by one.

    magic (8) | version u16 | header bytes u32 | file bytes u64 | header | CRC-32 of all before it u32 | blocks

All numbers are little-endian.  A reader checks the length and CRC of the header before parsing it, and every size in it
against the bytes present; each block has a CRC-32 of its bytes, and one of the images that must come out of it.
Version 1 had a longer header, and is still read.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, pairwise

from hvae.coding.files.header import Block, Header, Item, pack, parse
from hvae.errors import HvaeError

__all__ = ["MAGIC", "MOST_PER_BYTE", "VERSION", "Block", "File", "Header", "Item", "read", "read_part", "write"]

MAGIC = b"\x8bHVZ\r\n\x1a\n"
"""A non-text byte, the name, and line ends that a transfer as text would change."""
VERSION = 2
MOST_PER_BYTE = 64
"""More images to a byte than any block may hold: a step of 64 rows takes a byte, and others are filled up."""
_FIXED = struct.Struct("<8sHIQ")
_CRC = struct.Struct("<I")


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
        content = bytes(self.payloads[index])
        if zlib.crc32(content) != self.header.blocks[index].crc:
            raise HvaeError(f"block {index} of the file is damaged (its checksum differs); restore it from a copy")
        return content


def write(header: Header, payloads: Iterable[bytes]) -> bytes:
    """The bytes of a file."""
    body, rest = pack(header), b"".join(payloads)
    total = _FIXED.size + len(body) + _CRC.size + len(rest)
    start = _FIXED.pack(MAGIC, VERSION, len(body), total) + body
    return start + _CRC.pack(zlib.crc32(start)) + rest


def read(content: bytes) -> File:
    """A file from its bytes.  Raises HvaeError when they are no such file, of another version, cut short or damaged."""
    end, total = _extent(content)
    if total != len(content) or end + _CRC.size > total:
        raise HvaeError(f"expected a file of {total} bytes, got {len(content)}; it was cut short or damaged")
    return _split(_checked(content, end), memoryview(content)[end + _CRC.size :])


def read_part(content: bytes) -> File:
    """The beginning of a file: its header, whose blocks may be more than are here, and those that are here whole.

    Raises HvaeError as `read` does, when not even the header is whole.
    """
    end, total = _extent(content)
    if not end + _CRC.size <= len(content) <= total:
        raise HvaeError(f"expected a file of up to {total} bytes, got {len(content)}; its header was cut or damaged")
    header, rest = _checked(content, end), memoryview(content)[end + _CRC.size :]
    sizes = accumulate((block.size for block in header.blocks), initial=0)
    ends = [at for at in sizes if at <= len(rest)]
    if len(content) == total:
        return _split(header, rest)
    return File(header, tuple(rest[a:b] for a, b in pairwise(ends)))


def _extent(content: bytes) -> tuple[int, int]:
    """Where the header says that it ends, and the file."""
    if len(content) < _FIXED.size or content[: len(MAGIC)] != MAGIC:
        raise HvaeError("this is no .hvz file (it does not begin as one); give a file that 'hvae compress' has written")
    _, version, size, total = _FIXED.unpack_from(content)
    if not 1 <= version <= VERSION:
        raise HvaeError(
            f"expected an .hvz file of version 1 to {VERSION}, got version {version}; update hvae, or write it again"
        )
    return _FIXED.size + size, total


def _checked(content: bytes, end: int) -> Header:
    """The header, which ends at `end`, once its checksum is right."""
    if _CRC.unpack_from(content, end)[0] != zlib.crc32(memoryview(content)[:end]):
        raise HvaeError("the header of the file is damaged (its checksum differs); restore it from a copy")
    header = parse(content[_FIXED.size : end], _FIXED.unpack_from(content)[1])
    if any(block.count > MOST_PER_BYTE * block.size for block in header.blocks):
        raise HvaeError("a block claims more images than its bytes can hold; the file is damaged")
    return header


def _split(header: Header, rest: memoryview) -> File:
    ends = list(accumulate((block.size for block in header.blocks), initial=0))
    if ends[-1] != len(rest):
        raise HvaeError(f"expected blocks of {ends[-1]} bytes, got {len(rest)}; the file is damaged")
    return File(header, tuple(rest[a:b] for a, b in pairwise(ends)))
