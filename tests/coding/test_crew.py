"""Several processes: the same bytes and the same pictures as one, and faults that are told in one line."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pytest
from families import FAMILIES, family
from tiny_codecs import drawings, tiny

from hvae.coding import Codec, Settings, read
from hvae.coding.files.classic import Levels
from hvae.coding.lossless import block as blocks
from hvae.coding.lossless import crew
from hvae.coding.lossless.book import Book
from hvae.coding.lossless.coder import ORDERS, Coder
from hvae.errors import HvaeError


def test_files_and_pictures_are_the_same_from_any_number_of_processes() -> None:
    codec, pictures, told = tiny("chain"), drawings(150), list[tuple[int, int]]()
    alone = codec.compress(pictures, Settings(block=40))
    shared = codec.compress(pictures, Settings(block=40, workers=3), tick=lambda *at: told.append(at))
    assert alone.content == shared.content  # the bytes are promised; what is reported of them is a sum of floats
    assert asdict(shared.account) == pytest.approx(asdict(alone.account))
    assert told == [(40, 150), (80, 150), (120, 150), (150, 150)]
    told.clear()
    file = read(shared.content)
    back = codec.decompress(file, workers=2, tick=lambda *at: told.append(at))
    assert all(np.array_equal(a.levels, b.levels) for a, b in zip(pictures, back, strict=True))
    assert told == [(i, 4) for i in (1, 2, 3, 4)]
    damaged = bytearray(shared.content)
    damaged[-1] ^= 1
    with pytest.raises(HvaeError, match="block 3 of the file is damaged"):
        codec.decompress(read(bytes(damaged)), workers=2)


def refuse(coder: Coder, number: int) -> int:
    raise HvaeError(f"not {number}")


def vanish(coder: Coder) -> int:
    os._exit(1)


def test_faults_of_other_processes_are_told_here() -> None:
    coder = tiny().coder(Book())
    with pytest.raises(HvaeError, match="^not 7$"):
        list(crew.each(refuse, coder, [(7,), (8,)], 2))
    with pytest.raises(HvaeError, match="a process of several died"):
        list(crew.each(vanish, coder, [()], 2))


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Coder]:
    """A coder on a machine of four cores, whose time is what the test says."""
    monkeypatch.setattr(crew, "_cores", lambda: 4)
    codec = tiny()
    yield codec.coder(codec.calibrate(np.stack([p.levels for p in drawings(16)])))


@pytest.mark.parametrize(
    ("worth", "counts", "expected"), [(0.0, [5] * 9, 4), (0.0, [5, 5], 2), (0.0, [99], 1), (1e9, [5] * 9, 1)]
)
def test_processes_are_started_where_they_pay(
    slow: Coder, worth: float, counts: list[int], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "_WORTH", worth)
    assert crew.hands(slow, counts) == expected


def test_the_number_of_processes_is_chosen_without_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def here(work: object, coder: Coder, jobs: list[tuple[Levels, ...]], workers: int) -> Iterator[object]:
        asked.append(workers)
        return (work(coder, *job) for job in jobs)  # type: ignore[operator]

    monkeypatch.setattr(crew, "hands", lambda coder, counts: len(counts))
    monkeypatch.setattr(crew, "each", here)
    codec, pictures = tiny(), drawings(90)
    made = codec.compress(pictures, Settings(block=30, workers=0))
    codec.decompress(read(made.content), workers=0)
    codec.decompress(read(made.content))
    assert asked == [3, 3, 1]
    with pytest.raises(HvaeError, match="expected 1 worker or more"):
        Settings(workers=-1)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_model_can_be_sent_to_another_process(name: str) -> None:
    model = Codec(family(name), bits=8).model
    sent = pickle.loads(pickle.dumps(Coder(model, ORDERS[0], Book(), 8)))
    assert sent.order is not ORDERS[0] and sent.order == ORDERS[0]
    assert all(
        (a == b).all() for a, b in zip(model.state_dict().values(), sent.model.state_dict().values(), strict=True)
    )


def test_blocks_are_coded_alike_wherever_they_are() -> None:
    codec = tiny()
    tiles = np.stack([p.levels for p in drawings(40)])
    coder = codec.coder(codec.calibrate(tiles[:16]))
    found = crew.code(coder, tiles, 16, verify=True)
    assert found.payload == blocks.encode(coder, tiles, 16)[0]
    assert not found.is_classic and found.check_seconds > 0 == crew.code(coder, tiles, 16, verify=False).check_seconds
