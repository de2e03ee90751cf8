r"""Sound: WAV files (FLAC and others with the extra `audio`), a step of one sample or of a frame of them.

A sample s of 16 bits becomes one of 2^n levels, linearly or by the mu-law with mu = 2^n - 1 (ITU-T G.711 in its
continuous form, n bits instead of 8):

$$k = \lfloor (s + 2^{15}) / 2^{16 - n} \rfloor, \qquad
  y = \mathrm{sgn}(a) \frac{\ln(1 + \mu |a|)}{\ln(1 + \mu)},\; a = s / 2^{15},\;
  k = \min(\lfloor (y + 1) 2^{n-1} \rfloor, 2^n - 1)$$

Levels of another law or of fewer bits are other data: their bits a sample do not compare.

Shapes: `N` samples; `T` steps; `S` samples a step.
"""

from __future__ import annotations

import io
import re
import struct
import wave
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hvae.config.data import DataConfig
from hvae.data.sequences.folder import Readable, read_each
from hvae.data.sequences.form import SPLITS, SequenceForm
from hvae.data.sequences.raw import RawSequences, SequencePart, joined
from hvae.data.tally import Tally
from hvae.data.transforms import Array
from hvae.data.unpacking import DAMAGED, check_entries, check_size
from hvae.errors import HvaeError, missing_extra
from hvae.files import open_regular, read_regular

SUFFIXES = (".wav", ".flac", ".ogg", ".aiff", ".aif")
WIDE = 16
"""Bits of a sample as it is read."""
LARGEST, MOST_RATE = 1 << 30, 10**6
DIGITS = tuple("0123456789")
_RECORDING = re.compile(r"[0-9]_[^_/]+_([0-9]{1,9})\.wav")
TEST_TAKES = 5
"""The takes 0 to 4 of each speaker and digit are the test split of the free spoken digits."""


class Sound(NamedTuple):
    """One recording: its name, int16 samples (N,), samples a second, and bits as stored."""

    name: str
    samples: Array
    rate: int
    bits: int


def to_levels(samples: Array, bits: int, law: str) -> Array:
    """Samples (N,) int16 as levels of so many bits, int32.

    >>> samples = np.array([-32768, 0, 32767], np.int16)
    >>> to_levels(samples, 8, "linear"), to_levels(samples, 8, "mu")
    (array([  0, 128, 255], dtype=int32), array([  0, 128, 255], dtype=int32))
    """
    if law == "linear":
        return (samples.astype(np.int32) + (1 << (WIDE - 1))) >> (WIDE - bits)
    mu, unit = 2**bits - 1, samples.astype(np.float64) / (1 << (WIDE - 1))
    y = np.sign(unit) * np.log1p(mu * np.abs(unit)) / np.log1p(mu)
    return np.minimum(np.floor((y + 1) * 2 ** (bits - 1)), mu).astype(np.int32)


def to_sound(levels: Array, bits: int, law: str) -> Array:
    """The middle of each level as a value in [-1, 1]: the inverse of `to_levels` up to its rounding.

    >>> to_sound(np.array([128]), 8, "mu").round(3)
    array([0.])
    """
    y = (np.asarray(levels, np.float64) + 0.5) / 2 ** (bits - 1) - 1
    if law == "linear":
        return y
    mu = 2**bits - 1
    return np.sign(y) * np.expm1(np.abs(y) * np.log1p(mu)) / mu


def framed(levels: Array, size: int) -> Array:
    """Levels (N,) as steps of so many samples, (N // S, S): those at the end that fill no frame are left out."""
    return levels[: len(levels) // size * size].reshape(-1, size)


def read_audio(path: Path, config: DataConfig) -> RawSequences:
    """A user's own: one file, or a folder of them, of one rate and one channel; below train/ they have their splits.

    Raises HvaeError naming the files that differ, and unless data.bad is to skip them all that cannot be read.
    """
    readable = sounds_of(path, config.bad, config.frame)
    return _raw(_splits(readable.content, path), config, str(path), readable.tally)


def _splits(sounds: Sequence[Sound], path: Path) -> dict[str, list[Sound]]:
    """By the folders train, valid and test that they lie in; all of them train where there is no train/."""
    parts = {split: [one for one in sounds if one.name.startswith(f"{split}/")] for split in SPLITS}
    if not parts["train"]:
        return {"train": list(sounds)}
    others = [one.name for one in sounds if one.name.partition("/")[0] not in SPLITS]
    if others:
        raise HvaeError(
            f"{path}: expected all sounds beside train/ in {', '.join(f'{split}/' for split in SPLITS[1:])}, got "
            f"{others[0]}; move or remove it"
        )
    return {split: some for split, some in parts.items() if some}


def sounds_of(path: Path, bad: str, frame: int = 1) -> Readable[Sound]:
    """The recordings of a file or a folder, named by their place below it, each of two frames of so many samples or
    more; `bad` as `data.bad` has it."""
    readable = read_each(
        path,
        SUFFIXES,
        _from,
        bad,
        lambda sound: len(sound.samples) // frame,
        lambda sound: f"{sound.rate:,} samples a second",
    )
    sounds = [sound._replace(name=name) for sound, name in zip(readable.content, readable.names, strict=True)]
    return replace(readable, content=sounds)


def _from(file: Path) -> Sound:
    return sound_of(read_regular(file, LARGEST), file.name)


def fsdd_zip(folder: Path, config: DataConfig) -> RawSequences:
    """The free spoken digits, DIGIT_SPEAKER_TAKE.wav: takes 0 to 4 are its test split."""
    path = folder / "fsdd_4speakers.zip"
    try:
        with open_regular(path, LARGEST) as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            check_entries(entries, file.seek(0, io.SEEK_END), path)
            names = sorted(entry.filename for entry in entries if entry.filename.endswith(".wav"))
            sounds = [sound_of(archive.read(name), name) for name in names]
    except HvaeError:
        raise
    except DAMAGED as fault:
        raise HvaeError(f"{path}: cannot be read ({fault}); fetch it again") from fault
    takes = [_take(one.name, path) for one in sounds]
    test = [one for one, take in zip(sounds, takes, strict=True) if take < TEST_TAKES]
    train = [one for one, take in zip(sounds, takes, strict=True) if take >= TEST_TAKES]
    return _raw({"train": train, "test": test}, config, str(path), Tally(), classes=DIGITS)


def _take(name: str, where: Path) -> int:
    """The take of a recording.  Raises HvaeError for a name that is not DIGIT_SPEAKER_TAKE.wav."""
    parts = _RECORDING.fullmatch(_bare(name))
    if not parts:
        raise HvaeError(f"{where}: expected recordings named DIGIT_SPEAKER_TAKE.wav, got {name!r}; rename or remove it")
    return int(parts[1])


def _bare(name: str) -> str:
    """The name of a recording without the folders that it lies in."""
    return name.rpartition("/")[2]


def sound_of(content: bytes, name: str) -> Sound:
    """A file of sound.  Raises HvaeError where it cannot be read, has several channels, or a rate that no sound has."""
    sound = _decoded(content, name)
    if not 1 <= sound.rate <= MOST_RATE:
        raise HvaeError(f"{name}: it is damaged (it declares {sound.rate} samples a second)")
    return sound


def _decoded(content: bytes, name: str) -> Sound:
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        try:
            return _wave(content, name)
        except HvaeError:
            raise
        except wave.Error:  # floats, and others that the standard library does not know
            pass
        except (EOFError, ValueError, RuntimeError, struct.error) as fault:  # the last two of chunks that end beyond
            raise HvaeError(f"{name}: it is damaged ({str(fault) or 'it ends too early'})") from fault
    return _other(content, name)


def _wave(content: bytes, name: str) -> Sound:
    with wave.open(io.BytesIO(content)) as file:
        channels, width, rate, frames = file.getparams()[:4]
        _mono(channels, name)
        data = file.readframes(min(frames, len(content)))
    if len(data) != frames * width:
        raise ValueError(f"{frames:,} samples are declared, {len(data) // width:,} are there")
    if width == 1:
        return Sound(name, (np.frombuffer(data, np.uint8).astype(np.int16) - 128) << 8, rate, 8)
    # The two most significant bytes of each sample, which come last.
    parts = np.frombuffer(data, np.uint8).reshape(-1, width)[:, -2:]
    return Sound(name, np.ascontiguousarray(parts).view("<i2")[:, 0].astype(np.int16), rate, WIDE)


def _other(content: bytes, name: str) -> Sound:
    try:
        import soundfile
    except ImportError:
        purpose = f"{name} is no WAV file of whole numbers"
        raise missing_extra("soundfile", "audio", purpose=purpose) from None
    try:
        info = soundfile.info(io.BytesIO(content))
        _mono(info.channels, name)
        # Silence packs a millionfold, and a header may declare any length.
        check_size(len(content), 2 * info.frames, name)
        samples, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    except HvaeError:
        raise
    except (soundfile.SoundFileError, ValueError, TypeError) as fault:
        # Before the colon stands the object that was given, which says nothing.
        why = str(fault).rpartition(": ")[2][:100]
        raise HvaeError(f"{name}: no sound that can be read ({why})") from fault
    return Sound(name, samples, int(rate), 8 if info.subtype.endswith("8") else WIDE)


def _mono(channels: int, name: str) -> None:
    if channels != 1:
        raise HvaeError(f"{name}: it has {channels} channels, and one is expected; mix it down first")


def _raw(
    parts: Mapping[str, Sequence[Sound]], config: DataConfig, where: str, tally: Tally, classes: tuple[str, ...] = ()
) -> RawSequences:
    every = [sound for some in parts.values() for sound in some]
    if not parts["train"]:
        raise HvaeError(f"{where}: expected sounds to train on, got none")
    _check_rates(every, where)
    bits = config.bits or max(sound.bits for sound in every)
    form = SequenceForm(
        kind="audio",
        step="sample" if config.frame == 1 else "frame",
        seconds=config.frame / every[0].rate,
        rate=every[0].rate,
        frame=config.frame,
        law=config.law,
    )
    law = "linear" if config.law == "linear" else f"mu-law, mu = {2**bits - 1}"
    rest = f"samples at an end that fill no frame of {config.frame} left out"
    return RawSequences(
        parts={split: _part(some, bits, config, where, classes) for split, some in parts.items()},
        bits=bits,
        unit=2.0**bits - 1,
        form=form,
        classes=classes,
        transforms=(f"{bits} bits, {law}", *[rest] * (config.frame > 1)),
        tally=tally,
    )


def _check_rates(sounds: Iterable[Sound], where: str) -> None:
    first, *others = sounds
    for other in others:
        if other.rate != first.rate:
            raise HvaeError(
                f"{where}: expected one sample rate, got {first.rate:,} in {first.name} and {other.rate:,} in "
                f"{other.name}; convert them to one"
            )


def _part(sounds: Sequence[Sound], bits: int, config: DataConfig, where: str, classes: tuple[str, ...]) -> SequencePart:
    steps = [framed(to_levels(sound.samples, bits, config.law), config.frame) for sound in sounds]
    labels = np.array([classes.index(_bare(sound.name)[0]) for sound in sounds], np.int64) if classes else None
    small = [one.astype(np.uint8 if bits <= 8 else np.int32) for one in steps]
    return joined(small, where, names=[sound.name for sound in sounds], labels=labels)
