"""Lossy files: every beginning is a preview, and nothing damaged is shown."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from forgery import mutations
from test_lossy import several
from tiny_codecs import drawings, tiny
from tiny_lossy import LEVELS, codec, untrained, waves

from hvae.coding import File, opened, read
from hvae.coding.entropy.bins import Relative
from hvae.coding.files.container import Block, Header, Item, write
from hvae.coding.lossy.layout import groups
from hvae.errors import HvaeError

GROUPS = 4


@pytest.fixture(scope="module")
def content() -> bytes:
    """Three levels of four groups of pictures."""
    return codec().compress(several()).content


def cuts(content: bytes) -> list[int]:
    """Where a chunk ends, from none of them on."""
    sizes = [block.size for block in read(content).header.blocks]
    start = len(content) - sum(sizes)
    return [start + sum(sizes[:k]) for k in range(len(sizes) + 1)]


def test_chunks_lie_level_by_level(content: bytes) -> None:
    counts = [block.count for block in read(content).header.blocks]
    assert counts == [2, 1, 1, 1] * LEVELS
    assert [g.tiles for g in groups(read(content).header.items, 3)] == counts[:GROUPS]


def test_every_beginning_that_ends_with_a_chunk_is_a_preview(content: bytes) -> None:
    same = codec()
    by_level = {k: same.decompress(opened(content), levels=k) for k in range(1, LEVELS + 1)}
    owner = [0, 0, 1, 2, 3]  # the group of each picture
    for k, cut in enumerate(cuts(content)):
        file = opened(content[:cut])
        assert file is not None and len(file.payloads) == k
        if k < GROUPS:
            with pytest.raises(HvaeError, match="cut after 0 of 3 levels"):
                same.decompress(file)
            continue
        assert same.depth(file) == (k // GROUPS, LEVELS)
        for i, picture in enumerate(same.decompress(file)):
            there = len(range(owner[i], k, GROUPS))
            assert np.array_equal(picture.levels, by_level[there][i].levels)


def test_previews_get_better(content: bytes) -> None:
    pictures, same = several(), codec()
    errors = [
        sum(float(((a.levels.astype(float) - b.levels) ** 2).mean()) for a, b in zip(pictures, shown, strict=True))
        for shown in (same.decompress(opened(content), levels=k) for k in range(1, LEVELS + 1))
    ]
    assert errors[2] < 0.7 * errors[0]


def test_a_cut_inside_a_chunk_shows_what_lies_before_it(content: bytes) -> None:
    ends, same = cuts(content), codec()
    inside, before = opened(content[: ends[2 * GROUPS] + 5]), opened(content[: ends[2 * GROUPS]])
    assert inside is not None and before is not None and same.depth(inside) == (2, LEVELS)
    for cut, whole in zip(same.decompress(inside), same.decompress(before), strict=True):
        assert np.array_equal(cut.levels, whole.levels)
    with pytest.raises(HvaeError, match="cut after 2 of 3 levels; give --levels 2 or fewer"):
        same.decompress(inside, levels=3)


def test_one_picture_of_a_cut_file_is_shown_as_deep_as_it_goes(content: bytes) -> None:
    """The first two pictures are in the first group, whose top level alone is there; the last one is not there."""
    same, file = codec(), opened(content[: cuts(content)[1] + 5])
    assert file is not None and same.depth(file, only=1) == (1, LEVELS)
    whole = same.decompress(read(content), only=1, levels=1)[0]
    assert np.array_equal(same.decompress(file, only=1)[0].levels, whole.levels)
    for ask in (lambda: same.depth(file, only=4), lambda: same.decompress(file, only=4), lambda: same.depth(file)):
        with pytest.raises(HvaeError, match="cut after 0 of 3 levels; nothing of it can be shown"):
            ask()


def test_a_cut_file_that_is_damaged_too_is_refused(content: bytes) -> None:
    ends, same = cuts(content), codec()
    damaged = bytearray(content[: ends[2 * GROUPS] + 5])
    damaged[ends[GROUPS]] ^= 1
    with pytest.raises(HvaeError, match="block 4 of the file is damaged"):
        same.decompress(opened(bytes(damaged)))
    assert len(same.decompress(opened(bytes(damaged)), levels=1)) == 5


def test_a_header_that_is_not_whole_or_too_long_a_file_is_refused(content: bytes) -> None:
    for cut in (0, 5, 21, 60, cuts(content)[0] - 1):
        with pytest.raises(HvaeError):
            opened(content[:cut])
    with pytest.raises(HvaeError, match="expected a file of up to"):
        opened(content + b"x")


def test_ten_thousand_mutations_are_all_refused(content: bytes) -> None:
    """But for those that are previews: the file cut after its top level."""
    same, top = codec(), cuts(content)[GROUPS]
    for damaged in mutations(content, 10_000):
        if len(damaged) >= top and content.startswith(damaged):
            continue
        with pytest.raises(HvaeError) as told:
            same.decompress(opened(damaged))
        assert "\n" not in str(told.value)


def test_a_chunk_that_was_forged_whole_is_found_by_its_symbols(content: bytes) -> None:
    """Its checksum is right, its symbols are not."""
    file, same = read(content), codec()
    payloads = [bytes(p) for p in file.payloads]
    for forged in (payloads[8][::-1], payloads[8][:-4], payloads[8] * 2, payloads[8][:-1]):
        blocks, changed = list(file.header.blocks), [*payloads[:8], forged, *payloads[9:]]
        blocks[8] = Block(blocks[8].count, len(forged), zlib.crc32(forged), blocks[8].content)
        made = write(replace(file.header, blocks=tuple(blocks)), changed)
        with pytest.raises(HvaeError, match="damaged"):
            same.decompress(opened(made))


def test_headers_that_contradict_themselves_are_refused(content: bytes) -> None:
    file, same = read(content), codec()
    header, payloads = file.header, [bytes(p) for p in file.payloads]
    more = replace(header, items=(*header.items, Item("b", 3, 8, 8)))
    huge = replace(header, items=(Item("a", 3, 16, 16, 1 << 60), *header.items[1:]))
    other = replace(header, items=(Item("a", 3, 17, 16), *header.items[1:]))
    for wrong in (more, huge, other, replace(header, items=())):
        with pytest.raises(HvaeError, match="damaged"):
            same.decompress(opened(write(wrong, payloads)))
    fewer = replace(header, blocks=header.blocks[:-1])
    with pytest.raises(HvaeError, match="damaged"):
        same.decompress(opened(write(fewer, payloads[:-1])))


def claiming(header: Header, size: int) -> bytes:
    """The beginning of a file whose blocks, of so many bytes, are not there: only what it says bounds it."""
    start = write(header, [])[:-4]
    start = start[:14] + struct.pack("<Q", len(start) + 4 + size) + start[22:]
    return start + struct.pack("<I", zlib.crc32(start))


def test_a_beginning_that_claims_millions_of_pictures_is_refused_at_once(content: bytes) -> None:
    header = read(content).header
    items = {"pictures": Item("a", 3, 16, 16, 10**12), "tiles": Item("a", 3, 1 << 28, 1)}
    blocks = {"pictures": (Block(10**12, 10**12, 0, 0),), "tiles": (Block(64, 64, 0, 0),)}
    for claim, item in items.items():
        forged = replace(header, items=(item,) * 60, blocks=blocks[claim])
        with pytest.raises(HvaeError, match="damaged"):
            codec().depth(opened(claiming(forged, blocks[claim][0].size)))


@pytest.mark.parametrize(
    "changes",
    [
        *({"bits": bits} for bits in (1, 2, 4, 7)),
        *({"shape": shape} for shape in ((1, 16, 16), (3, 8, 8), (3, 16, 1), (768,))),
        {"levels": {"z1": Relative(3)}},
    ],
)
def test_what_a_header_says_of_the_model_is_compared_with_it(content: bytes, changes: dict[str, Any]) -> None:
    file = read(content)
    header = replace(file.header, items=tuple(replace(item, mode=0) for item in file.header.items), **changes)
    forged = opened(write(header, [bytes(p) for p in file.payloads]))
    assert forged is not None
    for show in (codec().decompress, codec().depth):
        with pytest.raises(HvaeError, match="expected a file of 8 bits by a model of"):
            show(forged)


def test_another_model_and_another_machine_are_refused(content: bytes) -> None:
    with pytest.raises(HvaeError, match=r"made with another model .* once at tiny"):
        codec(untrained()).decompress(opened(content))
    file = read(content)
    elsewhere = File(replace(file.header, probabilities=bytes(8)), file.payloads)
    with pytest.raises(HvaeError, match="computes other probabilities"):
        codec().decompress(elsewhere)


def test_lossless_files_are_told_apart() -> None:
    lossless = tiny("vae").compress(drawings(60)).content
    assert opened(lossless) is None and opened(lossless[:-1]) is None
    with pytest.raises(HvaeError, match="compressed without loss"):
        codec().decompress(read(lossless))
    with pytest.raises(HvaeError, match="order of coding"):
        tiny("vae").decompress(read(codec().compress(waves(1, (16, 16))).content))


def test_a_picture_that_does_not_come_back_is_never_written(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = torch.zeros(1, 3, 16, 16, dtype=torch.uint8).numpy()
    monkeypatch.setattr("hvae.coding.lossy.rounding.decode", lambda *args: shown)
    with pytest.raises(HvaeError, match="does not decode to what its encoder saw"):
        codec().compress(waves(1, (16, 16)))
    assert codec().compress(waves(1, (16, 16)), verify=False).check_seconds < 1e-3
