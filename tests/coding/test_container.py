"""The file: everything it says comes back, and nothing that was changed is believed."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import pytest
from forgery import mutations, resealed
from tiny_codecs import drawings

from hvae.coding import Codec
from hvae.coding.entropy.bins import Grid, Relative, Scaled
from hvae.coding.files.container import VERSION, Block, Header, Item, read, write
from hvae.coding.files.header import pack, parse
from hvae.errors import HvaeError

HEADER = Header(
    order=1,
    bits=8,
    shape=(3, 4, 4),
    model=bytes(range(16)),
    probabilities=b"12345678",
    run="runs/ünder",
    levels={"z1": Grid(-2.0, 0.125, 7), "z2": Relative(9), "z3": Scaled(-7, 12)},
    items=(Item("a.png", 3, 7, 9), Item("b", 0, 4, 4, 2)),
    blocks=(Block(8, 5, zlib.crc32(b"first"), 17), Block(0, 6, zlib.crc32(b"second"), 18)),
)
CONTENT = write(HEADER, [b"first", b"second"])


def test_headers_come_back() -> None:
    file = read(CONTENT)
    assert file.header == HEADER
    assert [file.payload(i) for i in range(2)] == [b"first", b"second"]


def test_layout_is_fixed() -> None:
    """Byte order and sizes, from the first byte to the last of the fixed part."""
    assert CONTENT[:8] == b"\x8bHVZ\r\n\x1a\n"
    assert CONTENT[8:10] == b"\x02\x00"
    assert struct.unpack("<Q", CONTENT[14:22])[0] == len(CONTENT)
    assert CONTENT[22:28] == b"\x01\x08" + b"\x03\x03\x04\x04" and CONTENT[28:44] == bytes(range(16))
    assert CONTENT[44:65] == b"12345678" + b"\x0b" + "runs/ünder".encode() + b"\x03"
    # A grid of 7 bits, steps of 2^-3 from -16 steps on; 9 bits relative to p; 12 bits, 2^-7 deviations of p each.
    assert CONTENT[65:75] == b"\x02z1" + bytes([128 + 7, 5, 31]) + b"\x02z2" + b"\x09"
    assert CONTENT[75:80] == b"\x02z3" + bytes([64 + 12, 13])
    assert CONTENT.endswith(b"firstsecond")


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 21, 22, 30, len(CONTENT) - 12, len(CONTENT) - 1])
def test_cut_files_are_refused(cut: int) -> None:
    with pytest.raises(HvaeError, match=r"no \.hvz file|cut short"):
        read(CONTENT[:cut])


def test_trailing_bytes_are_refused() -> None:
    with pytest.raises(HvaeError, match="cut short or damaged"):
        read(CONTENT + b"x")
    with pytest.raises(HvaeError, match="expected blocks of 11 bytes, got 12"):
        read(resealed(CONTENT + b"x"))


def test_versions_and_other_files_are_told_apart() -> None:
    with pytest.raises(HvaeError, match="version 1 to 2, got version 3"):
        read(CONTENT[:8] + b"\x03\x00" + CONTENT[10:])
    with pytest.raises(HvaeError, match=r"no \.hvz file"):
        read(b"\x89PNG\r\n\x1a\n" + CONTENT[8:])


def test_flipped_payload_bytes_name_their_block() -> None:
    damaged = read(CONTENT[:-1] + b"D")
    assert damaged.payload(0) == b"first"
    with pytest.raises(HvaeError, match="block 1 of the file is damaged"):
        damaged.payload(1)


def test_forged_sizes_are_refused_without_being_made() -> None:
    """With a checksum that fits: counts and lengths of 2^32 - 1 wherever a number stands."""
    size = struct.unpack_from("<I", CONTENT, 10)[0]
    refused = 0
    for at in range(22, 22 + size - 3):
        forged = CONTENT[:at] + b"\xff\xff\xff\xff" + CONTENT[at + 4 :]
        try:
            read(resealed(forged))
        except HvaeError:
            refused += 1
    assert refused > 20  # the others hit names, hashes and floats, which say nothing of sizes


def test_blocks_that_claim_too_much_are_refused() -> None:
    header = replace(HEADER, blocks=(Block(10_000, 5, 0, 0), HEADER.blocks[1]))
    with pytest.raises(HvaeError, match="more images than its bytes can hold"):
        read(write(header, [b"first", b"second"]))


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**32, 2**62])
def test_numbers_take_what_they_need(number: int) -> None:
    header = replace(HEADER, items=(Item("a", 0, number, 1),))
    assert parse(pack(header), VERSION) == header


@pytest.mark.parametrize("grid", [Grid(-(2.0**40), 2.0**-12, 20), Grid(0.0, 1.0, 1), Grid(3 * 2.0**30, 2.0**29, 4)])
def test_grids_come_back_to_the_last_bit(grid: Grid) -> None:
    assert parse(pack(replace(HEADER, levels={"z1": grid})), VERSION).levels == {"z1": grid}


def test_numbers_without_an_end_and_grids_without_a_width_are_refused() -> None:
    with pytest.raises(HvaeError, match="has no end"):
        parse(b"\xff" * 20, VERSION)
    grids = pack(HEADER).replace(bytes([128 + 7, 5, 31]), bytes([128 + 7, 0xFF, 0x7F, 31]))
    with pytest.raises(HvaeError, match="no width"):
        parse(grids, VERSION)


def test_names_have_a_limit() -> None:
    with pytest.raises(HvaeError, match="less than 65,536 bytes"):
        write(replace(HEADER, run="x" * 70_000), [])


def test_ten_thousand_mutations_are_all_refused(codec: Codec) -> None:
    content = codec.compress(drawings(100)).content
    assert read(content).header.order == 0
    passed = 0
    for mutation in mutations(content, 10_000):
        try:
            codec.decompress(read(mutation))
            passed += 1
        except HvaeError as fault:
            assert "\n" not in str(fault)
    assert passed == 0
