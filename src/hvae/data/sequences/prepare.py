"""From sequences as found to the data of a run: held-out parts, chunks, record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from hvae.config.data import DataConfig
from hvae.data.captions import unspelled, wording
from hvae.data.prepare import HELD_OUT_SEED, held_out, read_as, share_of, task_name
from hvae.data.provenance import SPLITS, Provenance, checksum
from hvae.data.sequences.raw import RawSequences, SequencePart
from hvae.data.sequences.split import SequenceData, SequenceSplit
from hvae.errors import HvaeError

MOST_STEPS = 1000
"""Steps that a model generates unless told otherwise, at most."""


def prepare(raw: RawSequences, config: DataConfig) -> SequenceData:
    """Apply the config to sequences as found.

    Raises HvaeError when the steps of the splits differ in shape, and when nothing is left to train on.
    """
    _check_steps(raw, config)
    splits, notes = _splits(raw, config)
    words = wording(captions.texts, config) if (captions := splits["train"].captions) else None
    splits = {name: split.spelled(words) for name, split in splits.items()}
    if config.chunk:
        splits["train"], cut = _cut(splits["train"], config.chunk)
        notes += cut
    frames = {name: splits[name].steps for name in SPLITS}
    form = replace(raw.form, frames=frames, longest=int(splits["train"].lengths.max()))
    train = replace(splits["train"], bucket=config.bucket)
    usual = min(MOST_STEPS, int(train.lengths.median()))
    record = Provenance(
        name=task_name(config, "none"),
        source=raw.source,
        sizes={name: len(splits[name]) for name in SPLITS},
        checksums={name: checksum(splits[name].chunks()) for name in SPLITS},
        bits=raw.bits,
        shape=(usual, *train.store.shape[1:]),
        version=raw.version,
        transforms=(*raw.transforms, *read_as(words), *notes),
        tally=raw.tally,
        sequences=form,
        captions=words,
    )
    return SequenceData(
        train=train,
        valid=splits["valid"],
        test=splits["test"],
        bits=raw.bits,
        shape=record.shape,
        form=form,
        provenance=record,
        classes=raw.classes,
    )


def _check_steps(raw: RawSequences, config: DataConfig) -> None:
    shapes = {name: part.levels.shape[1:] for name, part in raw.parts.items()}
    odd = next((name for name in shapes if shapes[name] != shapes["train"]), None)
    if odd:
        where = config.path or config.name
        raise HvaeError(
            f"{where}: expected steps of one shape for all splits, got {shapes['train']} in train and {shapes[odd]} in "
            f"{odd}; bring them to one form"
        )


def _splits(raw: RawSequences, config: DataConfig) -> tuple[dict[str, SequenceSplit], list[str]]:
    """Every split, held out of training where the set has none, and notes on that."""
    pool = torch.arange(raw.parts["train"].size)
    whole = {name: split_of(part, raw.unit) for name, part in raw.parts.items()}
    notes = []
    for name, share in (("test", config.test), ("valid", config.valid)):
        if name in whole:
            continue
        count = share_of(share, raw.parts["train"].size)
        taken, pool = held_out(pool, count, name, "sequences")
        whole[name] = whole["train"].some(taken)
        notes += [f"{name}: {count:,} training sequences held out at random (seed {HELD_OUT_SEED})"] * (count > 0)
    return {**whole, "train": whole["train"].some(pool)}, notes


def split_of(part: SequencePart, unit: float) -> SequenceSplit:
    """A part as found as a split, whose levels are divided by `unit`."""
    lengths = torch.from_numpy(part.lengths.copy())
    store = torch.from_numpy(part.levels if part.levels.flags.writeable else part.levels.copy())
    labels, attributes = (None if a is None else torch.from_numpy(a.copy()) for a in (part.labels, part.attributes))
    return SequenceSplit(
        store=store,
        starts=_starts(lengths),
        lengths=lengths,
        unit=unit,
        labels=labels,
        attributes=attributes,
        captions=unspelled(part.captions) if part.captions else None,
        files=part.files,
    )


def _starts(lengths: Tensor) -> Tensor:
    return lengths.cumsum(0) - lengths


def _cut(split: SequenceSplit, most: int) -> tuple[SequenceSplit, Iterable[str]]:
    long = int((split.lengths > most).sum())
    note = f"{long:,} training sequences of more than {most:,} steps cut into pieces, which do not know of one another"
    return split.pieces(most), [note] * (long > 0)
