"""Sequences as files that people can hear, read and see: by their kind, and by the ending of the name.

Shapes: `n` sequences; `T` steps; `...` one step.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hvae.errors import HvaeError, missing_extra
from hvae.files import replacing

if TYPE_CHECKING:
    from hvae.data.sequences.form import SequenceForm

Array = np.ndarray
Writer = Callable[["Sequence[Array]", "SequenceForm", int], bytes]
STEP = 0.25
"""Seconds a step where nothing says how long one is."""
BODY = ".bvh"
TICKS, TEMPO = 480, 500_000
"""MIDI ticks a beat, and microseconds a beat."""


def check_suffix(path: Path, form: SequenceForm) -> None:
    """Raises HvaeError for the name of a file that sequences of this form are not written to."""
    suffixes = [suffix for suffix in WRITERS[form.kind] if suffix != BODY or form.skeleton]
    if path.suffix.lower() not in suffixes:
        why = "; this run's data came without a skeleton" if path.suffix.lower() in WRITERS[form.kind] else ""
        kind = form.kind
        raise HvaeError(f"--out: expected a file name that ends in {', '.join(suffixes)} for {kind}, got {path}{why}")
    if path.suffix.lower() == ".mid":
        _mido()


def usual_suffix(kind: str) -> str:
    """The ending where none is asked for."""
    return next(iter(WRITERS[kind]))


def write(path: Path, sequences: Sequence[Array], form: SequenceForm, bits: int) -> None:
    """Sequences (T, ...) as a model gives them into one file."""
    content = WRITERS[form.kind][path.suffix.lower()](sequences, form, bits)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _archive(arrays: Mapping[str, Array]) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def _numbers(sequences: Sequence[Array], kind: type) -> bytes:
    """The form that training reads."""
    return as_archive([one.astype(kind) for one in sequences])


def as_archive(sequences: Sequence[Array]) -> bytes:
    """Sequences (T, ...) as an .npz: all steps one after another, `samples`, with `samples_len`."""
    lengths = np.array([len(one) for one in sequences])
    return _archive({"samples": np.concatenate(sequences), "samples_len": lengths})


def _rolls(sequences: Sequence[Array], form: SequenceForm, bits: int) -> bytes:
    return _numbers(sequences, np.uint8)


def _tones(sequences: Sequence[Array], form: SequenceForm, bits: int) -> bytes:
    from hvae.explore.sound import in_turn, synthesised, wav

    return wav(in_turn([synthesised(one, form.seconds or STEP, form.lowest) for one in sequences]))


def _midi(sequences: Sequence[Array], form: SequenceForm, bits: int) -> bytes:
    """One track; pieces follow each other after a second."""
    from hvae.explore.sound import PAUSE, notes

    mido = _mido()
    beat = 1e6 / TEMPO * TICKS
    step, at, events = round((form.seconds or STEP) * beat), 0, []
    for roll in sequences:
        for key, start, end in notes(roll):
            events += [(at + end * step, 0, form.lowest + key), (at + start * step, 1, form.lowest + key)]
        at += len(roll) * step + round(PAUSE * beat)
    track, now = mido.MidiTrack(), 0
    for time, is_on, pitch in sorted(events):
        message = "note_on" if is_on else "note_off"
        track.append(mido.Message(message, note=pitch, velocity=64 * is_on, time=time - now))
        now = time
    file, out = mido.MidiFile(ticks_per_beat=TICKS), io.BytesIO()
    file.tracks.append(track)
    file.save(file=out)
    return out.getvalue()


def _mido():  # type: ignore[no-untyped-def]
    try:
        import mido
    except ImportError:
        raise missing_extra("mido", "music", purpose="MIDI files (name a .wav file for sound)") from None
    return mido


def _sound(sequences: Sequence[Array], form: SequenceForm, bits: int) -> bytes:
    from hvae.data.sequences.natural import sound
    from hvae.explore.sound import in_turn, wav

    return wav(in_turn([sound(one, form, bits) for one in sequences], form.rate), form.rate)


def _levels(sequences: Sequence[Array], form: SequenceForm, bits: int) -> bytes:
    return _numbers([np.rint(one * (2**bits - 1)) for one in sequences], np.uint16)


def _text(sequences: Sequence[Array], form: SequenceForm, bits: int) -> bytes:
    from hvae.data.sequences.natural import text

    return "".join(f"{text(one, form)}\n" for one in sequences).encode("utf-8", errors="replace")


def _tokens(sequences: Sequence[Array], form: SequenceForm, bits: int) -> bytes:
    return _numbers(sequences, np.int32)


def _motion(sequences: Sequence[Array], form: SequenceForm, bits: int) -> bytes:
    from hvae.data.sequences.natural import motion

    return _numbers([motion(one, form) for one in sequences], np.float32)


def _body(sequences: Sequence[Array], form: SequenceForm, bits: int) -> bytes:
    """Bodies one after another."""
    from hvae.data.sequences.bvh import written
    from hvae.data.sequences.natural import motion

    assert form.skeleton is not None, "asked before"
    values = np.concatenate([motion(one, form) for one in sequences])
    return written(form.skeleton, values, form.seconds or STEP).encode()


def _frames(sequences: Sequence[Array], form: SequenceForm, bits: int) -> bytes:
    return _numbers([np.rint(255 * one.clip(0, 1)) for one in sequences], np.uint8)


def _gif(sequences: Sequence[Array], form: SequenceForm, bits: int) -> bytes:
    """Films side by side."""
    from hvae.data.sequences.video import gif

    side = np.concatenate([np.rint(255 * one.clip(0, 1)).astype(np.uint8) for one in sequences], 3)
    return gif(list(side), form.seconds or STEP)


WRITERS: Mapping[str, Mapping[str, Writer]] = {
    "rolls": {".npz": _rolls, ".wav": _tones, ".mid": _midi},
    "audio": {".wav": _sound, ".npz": _levels},
    "text": {".txt": _text, ".npz": _tokens},
    "motion": {".npz": _motion, BODY: _body},
    "video": {".gif": _gif, ".npz": _frames},
}
"""By kind and ending, the usual one first."""
