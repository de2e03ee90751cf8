"""Between what a model takes and what people have: text, sound, motion and piano rolls as themselves.

Shapes: `T` steps; `...` one step; `N` samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from hvae.config.data import DataConfig
from hvae.data.sequences.audio import framed, sound_of, to_levels, to_sound
from hvae.data.sequences.bvh import SUFFIX as BVH
from hvae.data.sequences.bvh import motion_of
from hvae.data.sequences.form import SequenceForm
from hvae.data.sequences.motion import check_body, restored, standardised, table
from hvae.data.sequences.own import read_own
from hvae.data.sequences.text import END, UNKNOWN, Vocabulary, cutter, text_of
from hvae.data.transforms import Array
from hvae.errors import HvaeError
from hvae.files import read_regular

LARGEST = 1 << 28


def text(x: Array, form: SequenceForm) -> str:
    """Tokens (T,) as text, up to the first end; a model may know more tokens than its data have symbols."""
    symbols = [form.symbols[token] if token < len(form.symbols) else UNKNOWN for token in map(int, x)]
    ends = symbols.index(END) if END in symbols else len(symbols)
    words = form.joint.join(symbols[:ends])
    return words.replace("\N{LOWER ONE EIGHTH BLOCK}", " ").strip() if form.merges else words


def sound(x: Array, form: SequenceForm, bits: int) -> Array:
    """Values (T, S) in [0, 1] as sound (N,) in [-1, 1]."""
    return to_sound(np.rint(x.reshape(-1) * (2**bits - 1)), bits, form.law)


def motion(x: Array, form: SequenceForm) -> Array:
    """Standardised numbers (T, D) in their own units, (T, V)."""
    return restored(x, np.array(form.mean), np.array(form.scale))


def read_like(path: Path, form: SequenceForm, bits: int) -> Array:
    """The one sequence of a user's file as a model of this form takes it, (T, ...) float32.

    Raises HvaeError for a file of another kind, of several sequences, or with what the form does not know.
    """
    if not path.exists():
        raise HvaeError(f"nothing at {path}; expected a file with the beginning of a sequence")
    if form.kind not in READERS:
        raise HvaeError(f"a beginning cannot be read for sequences of {form.kind}")
    return READERS[form.kind](path, form, bits).astype(np.float32)


def _roll(path: Path, form: SequenceForm, bits: int) -> Array:
    raw = read_own(DataConfig(name="sequences", path=str(path), kind="rolls"))
    part = raw.parts["train"]
    if part.size != 1:
        raise HvaeError(f"{path}: expected one piano roll to begin with, got {part.size}; save one alone")
    return part.levels


def _text(path: Path, form: SequenceForm, bits: int) -> Array:
    words = Vocabulary(form.symbols, cutter(form), form.joint, form.step)
    parts = words.cut(text_of(path).strip("\n"))
    for part in parts:
        if part not in words.numbers:
            raise HvaeError(f"{path}: {part!r} is none of the {len(words.symbols):,} symbols of this run; leave it out")
    if not parts:
        raise HvaeError(f"{path}: expected text to begin with, got none")
    return np.array([words.numbers[part] for part in parts])


def _sound(path: Path, form: SequenceForm, bits: int) -> Array:
    sound = sound_of(read_regular(path, LARGEST), path.name)
    if sound.rate != form.rate:
        raise HvaeError(f"{path}: expected {form.rate:,} samples a second, got {sound.rate:,}; convert it")
    return framed(to_levels(sound.samples, bits, form.law), form.frame) / (2**bits - 1)


def _motion(path: Path, form: SequenceForm, bits: int) -> Array:
    if path.suffix == ".csv":
        values = table(path)
    elif path.suffix.lower() == BVH:
        body = motion_of(path)
        check_body(body, form.skeleton, path)
        values = body.values
    else:
        from hvae.data.formats import read_arrays

        arrays = list(read_arrays(path).values())
        if len(arrays) != 1:
            raise HvaeError(f"{path}: expected one array of steps to begin with, got {len(arrays)}")
        values = arrays[0]
    if values.ndim != 2 or values.shape[1] != len(form.mean) or values.dtype.kind not in "buif":
        raise HvaeError(f"{path}: expected numbers (T, {len(form.mean)}), got {values.dtype} of shape {values.shape}")
    return standardised(values, np.array(form.mean), np.array(form.scale))


READERS: Mapping[str, Callable[[Path, SequenceForm, int], Array]] = {
    "rolls": _roll,
    "text": _text,
    "audio": _sound,
    "motion": _motion,
}
