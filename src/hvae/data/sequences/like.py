"""A user's sequences in the form of a run's: by its vocabulary, its scale, its levels.

Shapes: `T` steps; `...` one step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hvae.config.data import BESIDE, KIND_OF, OWN_SEQUENCES, DataConfig
from hvae.data.sequences.form import SPLITS, SequenceForm
from hvae.data.sequences.known import beside
from hvae.data.sequences.load import load_sequences
from hvae.data.sequences.motion import checked, standardised, tables
from hvae.data.sequences.own import READERS as OWN
from hvae.data.sequences.prepare import split_of
from hvae.data.sequences.raw import RawSequences, joined
from hvae.data.sequences.split import SequenceSplit
from hvae.data.sequences.text import Vocabulary, cutter, in_classes, texts_of
from hvae.errors import HvaeError


class Like(NamedTuple):
    """A user's sequences, the part of theirs that they are, and all that was read."""

    split: SequenceSplit
    part: str
    raw: RawSequences


def sequences_like(path: Path, form: SequenceForm, bits: int, config: DataConfig) -> Like:
    """The sequences of a user's file or folder as a model of this form takes them, with what is known of each: test
    data where there are any, else those to train on.

    Arguments: `form` and `bits` of a value, those of the run's data; `config`, how they were read.  Raises HvaeError
    for files of another kind or form.
    """
    if not path.exists():
        raise HvaeError(f"nothing at {path}; expected {', '.join(SPLITS)}, a known set, or a file or folder")
    raw = parts_like(path, form, bits, config)
    name = "test" if "test" in raw.parts else "train"
    return Like(split_of(raw.parts[name], raw.unit), name, raw)


def parts_like(path: Path, form: SequenceForm, bits: int, config: DataConfig) -> RawSequences:
    """All parts of such a file or folder, as `sequences_like` reads them.

    Captions are looked for beside the files where training had some, wherever those lay.
    """
    captions = BESIDE if config.captions and _has_captions(path) else ""
    raw = READERS.get(form.kind, _levels)(path, form, bits, config)
    return beside(raw, path, replace(config, attributes="", captions=captions))


def known_like(name: str, form: SequenceForm, bits: int, config: DataConfig) -> SequenceSplit:
    """The test data of a known set.  Raises HvaeError for one of another kind, scale or vocabulary."""
    if KIND_OF[name] != form.kind:
        raise HvaeError(f"--data: {name} is of {KIND_OF[name]}, and this run of {form.kind}; name other data")
    bits = bits if form.kind == "audio" else 0
    data = load_sequences(replace(config, name=name, path="", kind="auto", bits=bits, valid=0, test=0.1, chunk=0))
    unlike = form.differences(data.form)
    if unlike:
        raise HvaeError(f"--data: the {', '.join(unlike)} of {name} differ from this run's; give it as files of yours")
    return data.test


def _has_captions(path: Path) -> bool:
    files = path.rglob("*") if path.is_dir() else [path]
    return any(file.with_suffix(".txt").exists() for file in files if file.suffix != ".txt")


def _levels(path: Path, form: SequenceForm, bits: int, config: DataConfig) -> RawSequences:
    wish = DataConfig(name=OWN_SEQUENCES, path=str(path), bad=config.bad, kind=form.kind)
    if form.kind == "audio":
        wish = replace(wish, bits=bits, frame=form.frame, law=config.law)
    raw = OWN[form.kind](path, wish)
    if raw.form.rate != form.rate:
        raise HvaeError(f"{path}: expected {form.rate:,} samples a second, got {raw.form.rate:,}; convert it")
    return raw


def _text(path: Path, form: SequenceForm, bits: int, config: DataConfig) -> RawSequences:
    words = Vocabulary(form.symbols, cutter(form), form.joint, form.step)
    parts = texts_of(path, config)
    done = {s: joined([words.tokens(one) for one in some], f"{path} ({s})") for s, some in parts.items()}
    return in_classes(RawSequences(parts=done, bits=bits, unit=1.0, form=form), path, config)


def _motion(path: Path, form: SequenceForm, bits: int, config: DataConfig) -> RawSequences:
    series, tally = tables(path, config, form.skeleton)
    mean, scale = np.array(form.mean), np.array(form.scale)
    parts = {}
    for split, (some, names) in series.items():
        part = checked(some, names, str(path))
        if part.levels.shape[1] != len(mean):
            raise HvaeError(f"{path}: expected {len(mean)} numbers a step, got {part.levels.shape[1]}")
        parts[split] = replace(part, levels=standardised(part.levels, mean, scale))
    return RawSequences(parts=parts, bits=bits, unit=1.0, form=form, tally=tally)


READERS: Mapping[str, Callable[[Path, SequenceForm, int, DataConfig], RawSequences]] = {
    "text": _text,
    "motion": _motion,
}
"""By kind, where numbers depend on the training data; of other kinds they do not."""
