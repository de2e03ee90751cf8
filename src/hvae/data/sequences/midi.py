"""MIDI files as piano rolls, by the library mido: sixteenths of all channels but the drums', 88 keys.

Shapes: `T` steps; `K` keys, the lowest first.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hvae.capacity import check_memory
from hvae.config.data import DataConfig
from hvae.data.sequences.folder import read_each
from hvae.data.sequences.raw import SequencePart, joined
from hvae.data.tally import Tally
from hvae.data.transforms import Array
from hvae.errors import HvaeError, missing_extra
from hvae.files import read_regular

SUFFIXES = (".mid", ".midi")
GRID = 4
"""Steps a quarter note."""
KEYS, LOWEST, DRUMS = 88, 21, 9
LARGEST, MOST_STEPS = 1 << 20, 1_000_000
"""Bytes, which hold four hundred thousand events; of a longer file the library would make minutes of work."""
MOST_TICKS = 1 << 28
"""The format has no longer pause (Standard MIDI Files 1.0: four bytes of seven bits)."""
_ENDLESS = re.compile(rb"[\x80-\xff]{1024}")


def midi_part(path: Path, config: DataConfig) -> tuple[SequencePart, Tally]:
    """The rolls of a MIDI file, or of all below a folder.

    Raises HvaeError without the library, and, unless data.bad is to skip them, for files that cannot be read.
    """
    readable = read_each(path, SUFFIXES, lambda file: roll_of(read_regular(file, LARGEST), file.name), config.bad, len)
    return joined(readable.content, str(path), names=readable.names), readable.tally


def roll_of(content: bytes, name: str) -> Array:
    """The notes of a file, (T, 88) of 0 and 1.  Raises HvaeError where it cannot be read, or holds no notes."""
    mido = _mido()
    try:
        # The library reads a number as far as its bytes say that it goes on, in time that grows with the square.
        if _ENDLESS.search(content):
            raise ValueError("a number that does not end")
        file = mido.MidiFile(file=io.BytesIO(content), clip=True)
        beat = int(file.ticks_per_beat)
        notes = list(_notes(mido.merge_tracks(file.tracks)))
    except Exception as fault:  # the library says of damage whatever its parts say
        why = str(fault)[:100] or type(fault).__name__
        raise HvaeError(f"{name}: no MIDI file that can be read ({why})") from fault
    if not notes or beat <= 0:
        raise HvaeError(f"{name}: it has no notes of a piano's keys")
    return _drawn([(key, GRID * on / beat, GRID * off / beat) for key, on, off in notes], name)


def _notes(messages: Any) -> Iterator[tuple[int, int, int]]:
    """(key, first tick, last tick) of each note; one that is never released ends with the next of its key, or never."""
    now, sounding = 0, dict[tuple[int, int], int]()
    for message in messages:
        now += message.time
        if message.time >= MOST_TICKS:
            raise ValueError(f"a pause of more than {MOST_TICKS:,} ticks")
        if message.type not in ("note_on", "note_off") or message.channel == DRUMS:
            continue
        place = (message.channel, message.note - LOWEST)
        begun = sounding.pop(place, None)
        if begun is not None and 0 <= place[1] < KEYS:
            yield place[1], begun, now
        if message.type == "note_on" and message.velocity:
            sounding[place] = now


def _drawn(notes: Sequence[tuple[int, float, float]], name: str) -> Array:
    """Notes in steps as a roll; each is at least one step long."""
    first = int(min(on for _, on, _ in notes))
    steps = max(max(round(off), round(on) + 1) for _, on, off in notes) - first
    if steps > MOST_STEPS:
        raise HvaeError(f"{name}: expected at most {MOST_STEPS:,} sixteenths, got {steps:,}")
    check_memory(steps * KEYS, name)
    keys = np.zeros((KEYS, steps), np.uint8)  # a note lies in one piece
    for key, on, off in notes:
        start = round(on) - first
        keys[key, start : max(round(off) - first, start + 1)] = 1
    return np.ascontiguousarray(keys.T)


def _mido() -> Any:
    try:
        import mido
    except ImportError:
        raise missing_extra("mido", "music", purpose="MIDI files") from None
    return mido
