"""Sounds of a listening test from runs: what their latents keep of the same sounds.

Codes give the mean of p(x given codes); of other models, whose data are drawn step by step, latents of the top k levels
are inferred, and the rest and the data drawn anew.

Shapes: `T` steps; `S` samples a step; `N` samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hvae.errors import HvaeError
from hvae.study.listening.trials import (
    LONG,
    MOST_NUMBER,
    REFERENCE,
    Items,
    as_samples,
    check_lengths,
    check_size,
    check_system,
)
from hvae.study.placing import Place
from hvae.study.progress import Tick, silent

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.condition import Context
    from hvae.data.sequences.form import SequenceForm
    from hvae.runs.sequences import InputSequences
    from hvae.walk import Model

Array = np.ndarray


def of_runs(
    places: Mapping[str, Place], data: str, number: int, tops: Sequence[int], seed: int, tick: Tick
) -> tuple[Items, int]:
    """{item: {condition: (N,) int16}} and samples a second; `number` sounds at even distances through the data, of each
    its first 12 seconds.

    `tops`, numbers of levels from the top that are kept, each a condition (none: all levels alone).  Raises HvaeError
    for runs of something else, of other sounds than the first, or without so many levels.
    """
    items: Items = {}
    rates: list[int] = []
    for done, (name, where) in enumerate(places.items()):
        sounds, form = _sounds(where, data, number)
        rates.append(form.rate)
        _join(items, _conditions(name, where, sounds, form, tops, seed), name)
        tick(done + 1, len(places))
    if len(set(rates)) > 1:
        raise HvaeError(f"expected runs of one sample rate, got {', '.join(f'{rate:,}' for rate in rates)}")
    return items, rates[0]


def check_run(name: str, where: Place) -> None:
    """Raises HvaeError for a run of something else, and a name that no page should get."""
    from hvae.runs.sequences import form_of

    check_system(name)
    kind = form_of(where.run).kind if where.run.model.timed else "images"
    if kind != "audio":
        raise HvaeError(f"{where.run.folder}: expected a run of sound, got one of {kind}; name a run of sound")


def heard(
    items: Items, rate: int, reference: Path, places: Mapping[str, Place], tops: Sequence[int], seed: int, tick: Tick
) -> Items:
    """Items of folders with what each run makes of the sounds in `reference` beside them, all of an item cut to the
    stretch that every run has heard of it: whole frames of its first 12 seconds.

    Raises HvaeError for more sounds than a run is asked to hear, and as `of_runs` does.
    """
    if len(items) > MOST_NUMBER:
        raise HvaeError(f"{reference}: expected at most {MOST_NUMBER:,} sounds, got {len(items):,}; take fewer")
    for item, sounds in items.items():
        check_lengths(item, sounds)
    for done, (name, where) in enumerate(places.items()):
        again, own = of_runs({name: where}, str(reference), len(items), tops, seed, silent)
        if own != rate or again.keys() != items.keys():
            raise HvaeError(f"{name}: expected the sounds in {reference}, got others; name each in its own way")
        for item, sounds in again.items():
            items[item] |= {system: sound for system, sound in sounds.items() if system != REFERENCE}
        tick(done + 1, len(places))
    return {item: _cut(sounds) for item, sounds in items.items()}


def _cut(sounds: Mapping[str, Array]) -> dict[str, Array]:
    """The same, as long as the shortest of the runs."""
    shortest = min(map(len, sounds.values()))
    return {name: sound[:shortest] for name, sound in sounds.items()}


def _sounds(where: Place, data: str, number: int) -> tuple[InputSequences, SequenceForm]:
    from hvae.runs.sequences import form_of
    from hvae.study.sequence_latents import read

    form = form_of(where.run)
    sequences = read(where, data, 1 << 40, {})
    count = min(number, len(sequences.split))
    return sequences.some([round(i * len(sequences.split) / count) for i in range(count)]), form


def _conditions(
    name: str, where: Place, sequences: InputSequences, form: SequenceForm, tops: Sequence[int], seed: int
) -> Items:
    from hvae.data.sequences.natural import sound

    model, split, bits = where.model(), sequences.split, where.run.bits
    count = _levels(model, tops, name)
    names = split.names() or [f"sound {n}" for n in range(1, 1 + len(split))]
    most = max(1, int(LONG * form.rate) // form.frame)
    check_size(2 * (1 + max(1, len(tops))) * form.frame * int(split.lengths.clamp(max=most).sum()))

    def samples(x: Tensor) -> Array:
        return as_samples(sound(x.numpy(), form, bits))

    items: Items = {}
    for n, item in enumerate(names):
        x = split.batch([n]).x[0, :most]
        systems = {f"{name} top {top} of {count}" if tops else name: top for top in tops or (count,)}
        context = {word: rows[n : n + 1] for word, rows in sequences.context.items()}
        again = {system: samples(_again(model, x, top, seed, context)) for system, top in systems.items()}
        items[_bare(item)] = {REFERENCE: samples(x), **again}
    return items


def _levels(model: Model, tops: Sequence[int], name: str) -> int:
    from hvae.walk import names

    count = len(names(model))
    for top in tops:
        if not 1 <= top <= count:
            raise HvaeError(f"--top: expected 1 to {count}, the levels of {name}, got {top}")
    return count


def _again(model: Model, x: Tensor, top: int, seed: int, context: Context) -> Tensor:
    from hvae.explore.sequences import coded, redrawn
    from hvae.metrics.codebook import has_codes

    if has_codes(model):
        return coded(model, x, top=top, context=context)
    return redrawn(model, x, top=top, context=context, seed=seed)


def _bare(item: str) -> str:
    """The name of a file without its ending."""
    stem, dot, ending = item.rpartition(".")
    return stem if dot and ending.isalnum() else item


def _join(items: Items, more: Items, name: str) -> None:
    """Add the systems of one run.  Raises HvaeError unless it hears what those before it hear."""
    if items and items.keys() != more.keys():
        raise HvaeError(f"{name}: expected the sounds of the first run, got others; name one --data for all")
    for item, sounds in more.items():
        own = items.setdefault(item, {REFERENCE: sounds[REFERENCE]})
        if not np.array_equal(own[REFERENCE], sounds[REFERENCE]):
            raise HvaeError(f"{name}: {item} is another sound than that of the first run (other bits, law or frames)")
        own |= {system: sound for system, sound in sounds.items() if system != REFERENCE}
