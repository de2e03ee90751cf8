"""Images without the model: lossless in each format, and damage is seen."""

from __future__ import annotations

import tracemalloc
import zlib

import numpy as np
import pytest

from hvae.coding.files.classic import _packed, _unpacked, png, restore, sizes, squeeze
from hvae.errors import HvaeError

RNG = np.random.default_rng(0)
SMOOTH = np.tile(np.arange(64, dtype=np.uint8), (2, 3, 64, 1))
# More lines than WebP can have.
TALL = (RNG.integers(0, 3, (260, 3, 64, 16)).cumsum(2).cumsum(3) % 256).astype(np.uint8)
CASES = {
    "noise-colour": (RNG.integers(0, 256, (3, 3, 9, 7), dtype=np.uint8), 8),
    "smooth-colour": (SMOOTH, 8),
    "smooth-grey": (SMOOTH[:, :1], 8),
    "grey-of-five-bits": (SMOOTH[:, :1] // 2, 5),
    "binary": (RNG.integers(0, 2, (4, 1, 28, 28), dtype=np.uint8), 1),
    "binary-smooth": (np.tri(64, dtype=np.uint8)[None, None], 1),
    "two-channels": (RNG.integers(0, 4, (4, 2, 5, 5), dtype=np.uint8), 2),
    "vectors": (RNG.integers(0, 8, (6, 11), dtype=np.uint8), 3),
    "too-tall-for-webp": (TALL, 8),
    "one-pixel": (np.ones((1, 1, 1, 1), dtype=np.uint8), 1),
}


@pytest.mark.parametrize("case", list(CASES))
def test_what_is_squeezed_comes_back(case: str) -> None:
    levels, bits = CASES[case]
    blob = squeeze(levels, bits)
    assert np.array_equal(restore(blob, levels.shape, bits), levels)
    assert len(blob) <= (levels.size * bits + 7) // 8 + 20


def test_each_format_is_the_best_of_some() -> None:
    assert {squeeze(*CASES[case])[0] for case in CASES} == {0, 1, 2}


def test_sizes_are_those_of_one_picture() -> None:
    assert set(sizes(SMOOTH[0], 8)) == {"png", "webp"}
    assert sizes(CASES["vectors"][0][0], 3) == {}
    assert sizes(CASES["two-channels"][0][0], 2) == {}


@pytest.mark.parametrize("bits", [1, 3, 7, 8])
@pytest.mark.parametrize("count", [1, 65_536, 65_543, 200_001])
def test_bits_lie_close_whatever_their_number(bits: int, count: int) -> None:
    """As files hold them: the bits of each value, the highest first, value after value, in whatever pieces."""
    levels = RNG.integers(0, 2**bits, (1, count), dtype=np.uint8)
    packed = _packed(levels, bits)
    assert packed == np.packbits(np.unpackbits(levels[0][:, None], axis=1)[:, 8 - bits :]).tobytes()
    assert np.array_equal(_unpacked(zlib.compress(packed), levels.shape, bits), levels)


@pytest.mark.parametrize("bits", [3, 8])
def test_large_pictures_take_little_more_memory_than_their_own(bits: int) -> None:
    levels = np.zeros((1, 3, 1000, 1000), dtype=np.uint8)
    body = zlib.compress(_packed(levels, bits), 9)
    for work, most in ((lambda: _packed(levels, bits), 1.5), (lambda: _unpacked(body, levels.shape, bits), 2.5)):
        tracemalloc.start()
        work()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < most * levels.nbytes + 2**21


@pytest.mark.parametrize("case", ["noise-colour", "smooth-colour", "binary"])
def test_no_damage_passes_unseen_as_another_size_or_depth(case: str) -> None:
    levels, bits = CASES[case]
    blob = squeeze(levels, bits)
    with pytest.raises(HvaeError, match="damaged"):
        restore(blob, (len(levels) + 1, *levels.shape[1:]), bits)
    with pytest.raises(HvaeError, match="damaged"):
        restore(blob[: len(blob) // 2], levels.shape, bits)
    for wrong in (b"", b"\x09" + blob[1:]):
        with pytest.raises(HvaeError, match="no known format"):
            restore(wrong, levels.shape, bits)


def test_too_many_bits_are_damage() -> None:
    levels, bits = CASES["smooth-grey"]
    with pytest.raises(HvaeError, match="more than 3 bits"):
        restore(squeeze(levels, bits), levels.shape, 3)


def test_a_picture_of_channels_that_no_format_has_is_damage() -> None:
    grey, bits = CASES["smooth-grey"]
    blob = bytes([1]) + png(grey.reshape(-1, grey.shape[-1], 1), bits)
    with pytest.raises(HvaeError, match="no picture has 2 channels"):
        restore(blob, (1, 2, grey[0].shape[1] * len(grey), grey.shape[-1]), bits)
