"""The header of a file in few bytes.

    header = order, bits | shape | model (16) | probabilities (8) | run | levels | images | blocks
    shape  = dimensions, sizes;  run = text;  text = bytes, UTF-8
    levels = count: name text, kind and bits u8 (64 kind + bits), then for kind 1 (scaled) exponent, for 2 (grid)
             exponent, low / step
    images = count: name text, mode, height, width, how many such
    blocks = count: images (or tiles), bytes, CRC-32 of them u32, CRC-32 of what they hold u32

A number without a type is a little-endian base-128 varint; a signed one is mapped to n >= 0 ? 2 n : -2 n - 1.  In
version 1 every number had a type; such files are still read.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hvae.coding.entropy.bins import Grid, Relative, Scaled
from hvae.coding.entropy.numerics import IDENTITY
from hvae.coding.files.pictures import KINDS, MODES, MOST_PIXELS, check_name
from hvae.errors import HvaeError

_OLD_IDENTITY = 32
IN_TIME = 50
LOSSY_IN_TIME = 110
"""The order of files of sequences; those of pictures count from 0, lossy ones from 100."""
SEQUENCE = MODES.index("sequence")
MOST_BITS = 20
"""Bits of a value of a sequence: symbols of the largest vocabulary."""
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
    """The parsed header of a file."""

    order: int
    bits: int
    shape: tuple[int, ...]
    model: bytes
    probabilities: bytes
    run: str
    levels: Mapping[str, Relative | Scaled | Grid] = field(default_factory=dict)
    items: tuple[Item, ...]
    blocks: tuple[Block, ...]


def pack(h: Header) -> bytes:
    """The bytes of a header."""
    assert len(h.model) == IDENTITY and len(h.probabilities) == 8, "the identity and the fingerprint have fixed sizes"
    parts = [
        _numbers(h.order, h.bits, len(h.shape), *h.shape),
        h.model + h.probabilities + _text(h.run),
        _numbers(len(h.levels)),
        *(_text(name) + _choice(choice) for name, choice in h.levels.items()),
        _numbers(len(h.items)),
        *(_text(i.name) + _numbers(i.mode, i.height, i.width, i.count) for i in h.items),
        _numbers(len(h.blocks)),
        *(_numbers(b.count, b.size) + struct.pack("<II", b.crc, b.content) for b in h.blocks),
    ]
    return b"".join(parts)


def parse(content: bytes, version: int) -> Header:
    """A header from its bytes.  Raises HvaeError for malformed bytes, and for invalid sizes, bits and modes."""
    r = _Old(content) if version == 1 else _Reader(content)
    order, bits = r.whole("B"), r.whole("B")
    shape = tuple(r.whole("I") for _ in range(r.whole("B")))
    model, probabilities, run = r.bytes(r.identity)[:IDENTITY], r.bytes(8), r.text()
    levels = dict(r.many("H", lambda: (r.text(), r.choice())))
    items = r.many("I", lambda: Item(r.text(), r.whole("B"), r.whole("I"), r.whole("I"), r.whole("I")))
    blocks = r.many("I", lambda: Block(r.whole("I"), r.whole("Q"), *r.typed("II")))
    if r.at != len(r.content):
        raise HvaeError("the header of the file is longer than what it says; the file is damaged")
    if order in (IN_TIME, LOSSY_IN_TIME):
        _check_sequences(shape, bits, items)
    else:
        _check_shape(shape, bits)
        for item in items:
            _check_mode(item.mode, shape)
    return Header(
        order=order,
        bits=bits,
        shape=shape,
        model=model,
        probabilities=probabilities,
        run=run,
        levels=levels,
        items=tuple(items),
        blocks=tuple(blocks),
    )


def _check_shape(shape: tuple[int, ...], bits: int) -> None:
    if not 1 <= len(shape) <= 4 or min(shape) < 1 or math.prod(shape) > MOST_PIXELS:
        raise HvaeError(f"expected data of 1 to 4 axes and 1 to {MOST_PIXELS} values, got {shape}; it is damaged")
    if not 1 <= bits <= 8:
        raise HvaeError(f"expected images of 1 to 8 bits, the file says {bits}; it is damaged, or of a newer version")


def _check_sequences(shape: tuple[int, ...], bits: int, items: Sequence[Item]) -> None:
    """Raises HvaeError for sequences that no model has, and for more values than a file may hold."""
    if not 1 <= len(shape) <= 4 or min(shape) < 1 or not 1 <= bits <= MOST_BITS:
        raise HvaeError(f"expected sequences (T, ...) of 1 to {MOST_BITS} bits, got {shape} of {bits}; it is damaged")
    each = math.prod(shape[1:])
    if any(item.mode != SEQUENCE or item.height < 1 or not 1 <= item.width <= each for item in items):
        raise HvaeError("a file of sequences holds something else; it is damaged")
    values = sum(item.height * item.count for item in items) * each
    if values > MOST_PIXELS:
        raise HvaeError(f"expected at most {MOST_PIXELS:,} values in a file, got {values:,}; the file is damaged")


def _check_mode(mode: int, shape: tuple[int, ...]) -> None:
    if mode >= len(MODES) or mode == SEQUENCE:
        raise HvaeError(f"expected a mode below {len(MODES)}, got {mode}; the file is damaged, or of a newer version")
    colours = KINDS[MODES[mode]].colours
    # Grey goes to a model of any channels, and an array is what the model knows.
    if colours and (len(shape) != 3 or colours not in (1, shape[0])):
        raise HvaeError(f"the file has a picture of mode {MODES[mode]} for a model of {shape}; it is damaged")


def _numbers(*values: int) -> bytes:
    """Varints of the numbers.

    >>> _numbers(5, 300).hex()
    '05ac02'
    """
    content = bytearray()
    for value in values:
        while value >= 128:
            content.append(value & 127 | 128)
            value >>= 7
        content.append(value)
    return bytes(content)


def _either(value: int) -> int:
    """A signed number as a nonnegative one."""
    return 2 * value if value >= 0 else -2 * value - 1


def _text(text: str) -> bytes:
    check_name(text)
    raw = text.encode()
    return _numbers(len(raw)) + raw


def _choice(choice: Relative | Scaled | Grid) -> bytes:
    if isinstance(choice, Relative):
        return bytes([choice.bits])
    if isinstance(choice, Scaled):
        return bytes([64 + choice.bits]) + _numbers(_either(choice.exponent))
    exponent, place = choice.dyadic
    return bytes([128 + choice.bits]) + _numbers(_either(exponent), _either(place))


class _Reader:
    """Reads numbers and texts from bytes, with bounds checks."""

    identity = IDENTITY

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def bytes(self, count: int) -> bytes:
        if count > len(self.content) - self.at:
            raise HvaeError("the header of the file ends too early; the file is damaged")
        self.at += count
        return self.content[self.at - count : self.at]

    def typed(self, form: str) -> tuple[Any, ...]:
        return struct.unpack("<" + form, self.bytes(struct.calcsize("<" + form)))

    def whole(self, form: str) -> int:
        """A number; `form` is the type that it had in version 1."""
        value = 0
        for shift in range(0, 63, 7):
            (byte,) = self.bytes(1)
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise HvaeError("a number in the header of the file has no end; the file is damaged")

    def text(self) -> str:
        try:
            return self.bytes(self.whole("H")).decode()
        except UnicodeDecodeError as fault:
            raise HvaeError("a name in the header is no text; the file is damaged") from fault

    def many(self, form: str, one: Callable[[], _T]) -> list[_T]:
        # Grows by what is found, not by what is claimed: each entry takes bytes that must be there.
        return [one() for _ in range(self.whole(form))]

    def either(self) -> int:
        n = self.whole("q")
        return n // 2 if n % 2 == 0 else -(n + 1) // 2

    def choice(self) -> Relative | Scaled | Grid:
        (kind,) = self.bytes(1)
        if kind < 64:
            return Relative(kind)
        exponent = self.either()
        if kind < 128:
            return Scaled(exponent, kind - 64)
        place = self.either()
        if abs(exponent) > 1000:
            raise HvaeError("a grid in the header of the file has no width; the file is damaged")
        step = math.ldexp(1.0, exponent)
        return Grid(place * step, step, kind - 128)


class _Old(_Reader):
    """Version 1: every number has a type."""

    identity = _OLD_IDENTITY

    def whole(self, form: str) -> int:
        return int(self.typed(form)[0])

    def choice(self) -> Relative | Grid:
        kind = self.whole("B")
        if kind > 1:
            raise HvaeError(f"expected bins of kind 0 or 1, got {kind}; the file is damaged, or of a newer version")
        return Grid(*self.typed("ddB")) if kind else Relative(self.whole("B"))
