"""Sequences that can be heard: piano rolls as simple tones, and sound as WAV files.

Shapes: `T` steps; `K` keys, the lowest first; `N` samples.
"""

from __future__ import annotations

import io
import wave

import numpy as np

Array = np.ndarray
RATE = 16_000
"""Samples a second of what is synthesised: enough for the highest key of a piano, 4,186 Hz, and a harmonic."""
HARMONICS = (1.0, 0.5, 0.25, 0.12)
"""Loudness of a tone's partials."""
DECAY = 1.2
"""Seconds in which a tone falls to a third."""
FADE = 0.01
"""Seconds of a tone's rise and of its end, without which one would hear clicks."""
LOUD = 0.8
STOP, DOWN = 8 / 7, 60.0
"""Where what is filtered out ends to rise, in units of the edge, and from there on how far it is down, dB."""
PAUSE = 1.0
"""Seconds between pieces."""


def synthesised(roll: Array, seconds: float, lowest: int, rate: int = RATE) -> Array:
    """A piano roll (T, K) of 0 and 1 as sound (N,) in [-1, 1]; `seconds` a step, `lowest` the MIDI pitch of key 0.

    A key that stays down is one tone; each tone has a few harmonics and dies away.

    >>> sound = synthesised(np.eye(4), 0.25, 60)
    >>> len(sound) / RATE, bool(np.abs(sound).max() <= 1)
    (1.0, True)
    """
    step = round(seconds * rate)
    sound = np.zeros(step * len(roll))
    for key, start, end in notes(roll):
        frequency = 440.0 * 2.0 ** ((lowest + key - 69) / 12)
        sound[start * step : end * step] += _tone(frequency, (end - start) * step, rate)
    return sound / max(1.0, np.abs(sound).max() / LOUD)


def notes(roll: Array) -> list[tuple[int, int, int]]:
    """The notes of a roll (T, K): (key, first step, step after the last), in the order of time.

    >>> notes(np.array([[1, 0], [1, 1], [0, 1]]))
    [(0, 0, 2), (1, 1, 3)]
    """
    padded = np.pad(np.asarray(roll) > 0.5, ((1, 1), (0, 0))).astype(np.int8)
    change = np.diff(padded, axis=0)  # (T + 1, K)
    keys, starts = np.nonzero(change.T == 1)
    ends = np.nonzero(change.T == -1)[1]
    return sorted(zip(keys.tolist(), starts.tolist(), ends.tolist(), strict=True), key=lambda note: (note[1], note[0]))


def _tone(frequency: float, length: int, rate: int) -> Array:
    time = np.arange(length) / rate
    partials = [(n + 1) * frequency for n in range(len(HARMONICS))]
    waves = [a * np.sin(2 * np.pi * f * time) for a, f in zip(HARMONICS, partials, strict=True) if f < rate / 2]
    fade = np.minimum(1.0, np.minimum(time, time[::-1]) / FADE)
    return 0.2 * sum(waves, np.zeros(length)) * np.exp(-time / DECAY) * fade


def wav(sound: Array, rate: int = RATE) -> bytes:
    """Sound (N,) in [-1, 1] as a WAV file of 16 bits.

    >>> wav(np.zeros(8))[:4]
    b'RIFF'
    """
    levels = np.round(np.clip(sound, -1, 1) * 32767).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(levels.tobytes())
    return out.getvalue()


def in_turn(pieces: list[Array], rate: int = RATE) -> Array:
    """Pieces of sound one after another, a second of silence between them."""
    silence = np.zeros(round(PAUSE * rate))
    parts = [part for piece in pieces for part in (silence, piece)][1:]
    return np.concatenate(parts)


def low_passed(sound: Array, rate: int, edge: float) -> Array:
    """Sound (N,) without what lies above `edge` Hz, no sample of it moved in time.

    A symmetric filter of finite length: within 0.1 dB up to the edge, 60 dB down from 8/7 of it on.  The anchor of
    3.5 kHz of ITU-R BS.1534 asks for 25 dB at 4 kHz and 50 dB at 4.5 kHz.  Raises ValueError where 8/7 of the edge is
    more than half the `rate`.

    >>> tone = np.sin(2 * np.pi * 5000 * np.arange(4800) / 48_000)
    >>> bool(np.abs(low_passed(tone, 48_000, 3500.0)[1000:-1000]).max() < 1e-3)
    True
    """
    from scipy.signal import fftconvolve, firwin, kaiserord

    nyquist = rate / 2
    if STOP * edge > nyquist:
        raise ValueError(f"expected an edge of at most {nyquist / STOP:,.0f} Hz, got {edge:,.0f}")
    taps, beta = kaiserord(DOWN, (STOP - 1) * edge / nyquist)
    kernel = firwin(taps | 1, (1 + STOP) / 2 * edge, window=("kaiser", beta), fs=rate)
    return np.asarray(fftconvolve(np.asarray(sound, np.float64), kernel, mode="same"))
