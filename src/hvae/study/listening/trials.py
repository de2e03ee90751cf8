"""What is heard in a listening test: trials of equal stretches of sound, a hidden reference and anchors among them.

ITU-R BS.1534-3 (MUSHRA): beside an open reference a listener hears, in an order of their own, the reference again, the
same low-passed at 3.5 kHz and at 7 kHz, and the systems; each gets a score from 0 to 100.

Shapes: `N` samples.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hvae.errors import HvaeError, short
from hvae.explore.sound import STOP, low_passed

Array = np.ndarray
Items = dict[str, dict[str, Array]]
"""{item: {condition: (N,) int16}}."""
REFERENCE = "reference"
ANCHORS = {"anchor 3.5 kHz": 3500.0, "anchor 7 kHz": 7000.0}
"""By name: the highest frequency that is left, Hz."""
OWN = (REFERENCE, *ANCHORS)
"""Names that no system may have."""
MOST_SOUNDS, LONG = 12, 12.0
"""Sounds of a trial, and seconds of one, beyond which the recommendation sees listeners tire."""
RATES = (8_000, 96_000)
"""Samples a second that every browser plays as they are."""
MOST_BYTES = 1 << 26
"""Of the sounds that a page is made of, which holds them all, and a third more as text."""
MOST_NUMBER = 1000
"""Sounds that a run is asked to hear."""
FULL = 32_767
_NAME = re.compile(r"\w[\w .()+/-]{0,99}")


@dataclass(frozen=True, eq=False)
class Trial:
    """One item: the same stretch of sound by each condition, {condition: (N,) int16}, the reference first."""

    item: str
    sounds: Mapping[str, Array]


@dataclass(frozen=True, eq=False, kw_only=True)
class Trials:
    """All trials of one test: `rate`, samples a second; `seed` of the orders in which sounds are heard."""

    trials: tuple[Trial, ...]
    rate: int
    seed: int

    @property
    def conditions(self) -> tuple[str, ...]:
        """The same in every trial, the reference first."""
        return tuple(self.trials[0].sounds)

    @property
    def size(self) -> int:
        """Bytes of all sounds."""
        return sum(sound.nbytes for trial in self.trials for sound in trial.sounds.values())

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with every name, sample, rate and seed."""
        digest = hashlib.sha256(json.dumps([self.rate, self.seed]).encode())
        for trial in self.trials:
            for condition, sound in trial.sounds.items():
                digest.update(json.dumps([trial.item, condition, len(sound)]).encode())
                digest.update(sound.astype("<i2").tobytes())
        return digest.hexdigest()[:16]

    def notes(self) -> list[str]:
        """What of the recommendation these trials do not keep."""
        absent = [name for name in ANCHORS if name not in self.conditions]
        seconds = max(len(trial.sounds[REFERENCE]) for trial in self.trials) / self.rate
        return [
            *[f"no {name}: {self.rate:,} samples a second hold nothing that it would leave out" for name in absent],
            *[f"the longest sound has {seconds:,.1f} s; listeners remember about {LONG:.0f}"] * (seconds > LONG),
        ]


def trials_of(items: Items, rate: int, seed: int) -> Trials:
    """A test of systems, {item: {"reference" or system: (N,) int16}}, with the anchors that the rate has room for.

    Raises HvaeError for names that no page or table should get, sounds of an item that differ in length, a rate that
    browsers do not play, or more sounds a trial than one can compare.

    >>> sound = np.arange(9, dtype=np.int16)
    >>> trials_of({"a": {"reference": sound, "mine": sound}}, 16_000, 0).conditions
    ('reference', 'anchor 3.5 kHz', 'anchor 7 kHz', 'mine')
    """
    low, high = RATES
    if not low <= rate <= high:
        raise HvaeError(f"expected {low:,} to {high:,} samples a second, which browsers play, got {rate:,}; convert it")
    edges = {name: edge for name, edge in ANCHORS.items() if STOP * edge <= rate / 2}
    trials = tuple(_trial(item, sounds, rate, edges) for item, sounds in items.items())
    if not trials:
        raise HvaeError("expected at least one sound to judge, got none")
    return Trials(trials=trials, rate=rate, seed=seed)


def _trial(item: str, sounds: Mapping[str, Array], rate: int, edges: Mapping[str, float]) -> Trial:
    reference, systems = sounds[REFERENCE], {name: one for name, one in sounds.items() if name != REFERENCE}
    check_name(item, "a sound")
    for name in systems:
        check_system(name)
    check_lengths(item, sounds)
    if not len(reference):
        raise HvaeError(f"{item}: expected a sound, got one of no samples")
    anchors = {name: _anchor(reference, rate, edge) for name, edge in edges.items()}
    if len(anchors) + len(sounds) > MOST_SOUNDS:
        raise HvaeError(
            f"expected at most {MOST_SOUNDS} sounds a trial, which a listener can compare, got {len(systems)} systems, "
            f"the reference and {len(anchors)} anchors; make several tests"
        )
    return Trial(item, {REFERENCE: reference, **anchors, **systems})


def _anchor(sound: Array, rate: int, edge: float) -> Array:
    return as_samples(low_passed(sound / FULL, rate, edge))


def check_lengths(item: str, sounds: Mapping[str, Array]) -> None:
    """Raises HvaeError for a system (N,) of another length than the reference."""
    expected = len(sounds[REFERENCE])
    for name, sound in sounds.items():
        if len(sound) != expected:
            raise HvaeError(
                f"{item}: expected {expected:,} samples, as the reference has, got {len(sound):,} of {name}; "
                "cut or pad it"
            )


def check_size(size: int) -> None:
    """Raises HvaeError for more bytes of sound than a page holds."""
    if size > MOST_BYTES:
        raise HvaeError(
            f"expected at most {MOST_BYTES >> 20} MiB of sound on a page, got {size >> 20}; take fewer or shorter ones"
        )


def as_samples(sound: Array) -> Array:
    """Sound in [-1, 1] as samples, int16; what is louder is cut.

    >>> as_samples(np.array([-2.0, 0.0, 1.0]))
    array([-32767,      0,  32767], dtype=int16)
    """
    return np.rint(np.clip(sound, -1, 1) * FULL).astype(np.int16)


def check_name(name: str, what: str) -> None:
    """Raises HvaeError for a name that a page might follow, or a table of sheets take for a formula."""
    if not _NAME.fullmatch(name):
        raise HvaeError(
            f"expected a name of {what} of up to 100 letters, digits, spaces and _.()+/-, the first a letter or digit, "
            f"got {short(name)}; rename it"
        )


def check_system(name: str) -> None:
    """Raises HvaeError for a name that no system may have."""
    check_name(name, "a system")
    if name in OWN:
        raise HvaeError(f"{name!r} is a name of the test's own; name the system otherwise, as in mine=FOLDER")
