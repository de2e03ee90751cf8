"""Sequences on the way from one to another, through the latents of a run, as a file of their kind.

Shapes: `T` steps of one; `...` one step.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from hvae.capacity import check_memory
from hvae.errors import HvaeError
from hvae.records import JSON
from hvae.runs.sequences import form_of
from hvae.study.conditions import complete, meanings, numbers
from hvae.study.images import is_split, without_chance
from hvae.study.places import check_place
from hvae.study.progress import Bars, Progress, bars
from hvae.study.sequence_files import check_suffix, write
from hvae.study.sequence_latents import read

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.runs.sequences import InputSequences
    from hvae.study.conditions import Named
    from hvae.study.placing import Place


@dataclass(frozen=True, eq=False, kw_only=True)
class SequenceWays:
    """Sequences (T, ...) on the ways from one to another, pair after pair, and how they were drawn."""

    file: Path
    sequences: Sequence[Tensor]
    levels: tuple[str, ...]
    path: str
    pairs: int
    temperature: Mapping[str, float]
    mode: bool
    seed: int
    notes: tuple[str, ...]
    noun: ClassVar[str] = "sequences"

    def to_dict(self) -> JSON:
        """Plain values for JSON: what `hvae interpolate --json` gives for a run of sequences."""
        return {
            "file": str(self.file),
            "pairs": self.pairs,
            "steps": len(self.sequences) // self.pairs,
            "lengths": [len(one) for one in self.sequences],
            "levels": list(self.levels),
            "path": self.path,
            "temperature": dict(self.temperature),
            "mode": self.mode,
            "seed": self.seed,
        }


def draw_sequence_ways(
    where: Place,
    data: object,
    file: Path,
    *,
    pairs: int,
    points: int,
    levels: Sequence[str],
    path: str,
    temperature: Mapping[str, float],
    mode: bool,
    seed: int,
    context: Named,
    progress: Progress | Bars | None,
) -> SequenceWays:
    """Draw the way from one sequence to another, `points` sequences each, into one file of their kind.

    Arguments: `data`, a split, evenly, or the first of a file or folder; the others as `hvae.study.ways.draw_ways` has
    them.  Raises HvaeError before any work for what cannot be drawn or written.
    """
    from hvae import draw
    from hvae.explore.between import between
    from hvae.explore.latents import PATHS

    form, model = form_of(where.run), where.run.model
    check_suffix(file, form)
    check_place(file, data)
    values = numbers(model, context, meanings(where.run))
    complete(model, values)
    ends = _ends(where, data, pairs, context)
    longest = int(ends.split.lengths.max())
    check_memory(4 * pairs * points * longest * prod(model.shape[1:]), f"{pairs * points:,} sequences", "ask for fewer")
    some, walked, sequences = without_chance(ends), where.model(), []
    with bars(progress).bar("interpolating") as tick:
        for pair in range(pairs):
            tick(pair, pairs)
            first, second = (some.batch([2 * pair + end]).x[0] for end in (0, 1))
            sequences += between(
                *(walked, first, second, points),
                moved=levels,
                path=PATHS[path],
                draw=draw.mode if mode else draw.posterior,
                context=values,
                temperature=temperature,
                seed=seed,
            )
        tick(pairs, pairs)
    write(file, [np.asarray(one) for one in sequences], form, where.run.bits)
    return SequenceWays(
        file=file,
        sequences=sequences,
        levels=tuple(levels),
        path=path,
        pairs=pairs,
        temperature=temperature,
        mode=mode,
        seed=seed,
        notes=tuple(ends.notes()),
    )


def _ends(where: Place, source: object, pairs: int, context: Named) -> InputSequences:
    """The sequences of so many pairs: evenly over a split, the first of a user's own.  HvaeError if there are fewer."""
    inputs, count = read(where, source, sys.maxsize, context), 2 * pairs
    have = len(inputs.split)
    if have < count:
        few = f"expected at least {count} sequences for --pairs {pairs}, got {have} from {source}"
        raise HvaeError(f"{few}; take fewer pairs, or other data")
    apart = have // count if is_split(source) else 1
    return inputs.some(range(0, count * apart, apart))
