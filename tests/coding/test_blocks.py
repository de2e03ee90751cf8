"""Blocks: chains on one stack that begin with something useful, and sizes that are never believed."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from tiny_codecs import drawings, tiny

from hvae.coding import Book, Picture, Settings, read
from hvae.coding.entropy.stack import Stack
from hvae.coding.lossless import block
from hvae.coding.lossless.block import Account, classic, decode, encode, parts_of
from hvae.coding.lossless.codec import Codec
from hvae.coding.lossless.coder import Coder, fingerprint
from hvae.errors import HvaeError


def coder_of(codec: Codec, tiles: np.ndarray) -> Coder:
    return codec.coder(codec.calibrate(tiles[:16]))


@pytest.mark.parametrize("kind", ["vae", "chain", "grouped", "colour"])
@pytest.mark.parametrize("count", [1, 2, 37])
def test_blocks_come_back(kind: str, count: int) -> None:
    codec = tiny(kind)
    tiles = np.stack([p.levels for p in drawings(count, codec.shape)])
    coder = coder_of(codec, tiles)
    payload, account = encode(coder, tiles)
    assert np.array_equal(decode(coder, payload, codec.shape, count), tiles)
    assert account.images == count
    assert len(payload) <= len(classic(tiles, codec.bits)[0])


def test_steps_grow_with_the_stack() -> None:
    codec = tiny("chain")
    tiles = np.stack([p.levels for p in drawings(300)])
    payload, _ = encode(coder_of(codec, tiles), tiles, most=16)
    steps = list(parts_of(payload, 300)[2])
    assert steps[0] == 1 and max(steps) == 16 and sum(steps) + parts_of(payload, 300)[0] == 300


def test_a_start_of_images_is_not_lost() -> None:
    """With a loan of several images the first ones lie at the bottom, and the block is smaller than one on noise."""
    codec = tiny("colour")
    tiles = np.stack([p.levels for p in drawings(20, codec.shape)])
    coder = coder_of(codec, tiles)
    seeded, noisy = (
        block._chained(coder, tiles, block._seeded(tiles, 8, seeds, loan), 4, bool)[0]
        for seeds, loan in ((2, 0), (0, 4000))
    )
    for payload in (seeded, noisy):
        assert np.array_equal(decode(coder, payload, codec.shape, 20), tiles)
    assert len(seeded) < len(noisy)


def test_a_start_that_is_too_small_is_made_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = tiny()
    tiles = np.stack([p.levels for p in drawings(300)])
    coder = coder_of(codec, tiles)
    monkeypatch.setattr(block, "_trial", lambda coder, first: block._Cost(0.0, 10.0))
    monkeypatch.setattr(block, "_start", lambda coder, levels, cost: block.Start(0, b"", 1))
    payload, _ = encode(coder, tiles)
    assert np.array_equal(decode(coder, payload, codec.shape, 300), tiles)


def test_the_net_bits_are_those_of_the_trace() -> None:
    codec = tiny()
    tiles = np.stack([p.levels for p in drawings(400)])
    _, account = encode(coder_of(codec, tiles), tiles)
    assert account.net == pytest.approx(account.trace, rel=0.01)
    assert account.net == pytest.approx(account.elbo, rel=0.05)  # one draw an image


def test_thousands_of_images_that_are_all_alike_can_be_read_again() -> None:
    """A format needs a few bytes for them, and a reader believes 64 images a byte at most."""
    codec = tiny()
    file = codec.compress([Picture("a", np.zeros(codec.shape, np.uint8), 0)] * 4096, Settings(block=4096, rows=64))
    assert sum(item.count for item in read(file.content).header.items) == 4096
    assert not any(picture.levels.any() for picture in codec.decompress(read(file.content)))


def test_seeds_on_a_stack_of_nothing_are_damage() -> None:
    payload = struct.pack("<4I", 2, 0, 0, 1) + Stack.start(np.zeros(0, np.uint32)).words().astype("<u4").tobytes()
    with pytest.raises(HvaeError, match="seeds of a block do not fit"):
        decode(tiny().coder(Book()), payload, tiny().shape, 2)


def test_accounts_add_up() -> None:
    total = Account(2, 1, 3.0, 4.0, 5.0, 6.0, 7.0) + Account(1, 1, 1.0, 1.0, 1.0, 1.0, 1.0)
    assert total == Account(3, 2, 4.0, 5.0, 6.0, 7.0, 7.0)


def test_another_model_gives_other_images_or_an_error() -> None:
    codec, other = tiny(), tiny("chain")
    tiles = np.stack([p.levels for p in drawings(60)])
    payload, account = encode(coder_of(codec, tiles), tiles)
    assert account.seeds < 60
    with pytest.raises(HvaeError, match=r"damaged|another model"):
        decode(coder_of(other, tiles), payload, codec.shape, 60)


def test_fingerprints_tell_models_and_bins_apart() -> None:
    tiles = np.stack([p.levels for p in drawings(20)])
    coder = coder_of(tiny(), tiles)
    finer = Coder(coder.model, coder.order, tiny().calibrate(tiles, 64.0), 1)
    found = [fingerprint(c) for c in (coder, coder, finer, coder_of(tiny("chain"), tiles))]
    assert found[0] == found[1] and len(set(found)) == 3


HEAD = struct.Struct("<4I")


@pytest.mark.parametrize(
    "head", [(0, 0, 2**32 - 1, 0), (2**32 - 1, 0, 0, 0), (0, 2**32 - 1, 0, 2**32 - 1), (0, 9, 1, 2), (5, 0, 1, 3)]
)
def test_sizes_are_checked_before_anything_is_made(head: tuple[int, ...]) -> None:
    with pytest.raises(HvaeError, match=r"contradict|cut short"):
        parts_of(HEAD.pack(*head) + bytes([4]) + bytes(8), 4)
    with pytest.raises(HvaeError, match="cut short"):
        parts_of(HEAD.pack(*head)[:-1], 4)


def test_damaged_payloads_never_give_the_same_images() -> None:
    """Without any checksum: every flipped byte of a payload is an error or other images, never silence."""
    codec = tiny()
    tiles = np.stack([p.levels for p in drawings(40)])
    coder = coder_of(codec, tiles)
    payload, _ = encode(coder, tiles, most=64)
    rng, seen = np.random.default_rng(0), 0
    for at in rng.integers(0, len(payload), 60):
        damaged = bytearray(payload)
        damaged[at] ^= int(rng.integers(1, 256))
        try:
            seen += np.array_equal(decode(coder, bytes(damaged), codec.shape, 40), tiles)
        except HvaeError:
            continue
    assert seen == 0
