"""Sequences to latents and back, with a run, through files.

A level that recurs in time is one array of all its ticks, sequence after sequence, with the ticks of each in NAME_len;
a level of the whole is an array with a row a sequence.  `steps` says how many steps each sequence has.

Shapes: `N` sequences; `T` steps; `K` ticks of a level in the longest; `F` ticks of all; `D` a latent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hvae.capacity import check_memory
from hvae.errors import HvaeError, unknown
from hvae.runs.sequences import brought, form_of
from hvae.study.conditions import meanings, numbers, under
from hvae.study.images import without_chance
from hvae.study.placing import Place
from hvae.study.sequence_files import check_suffix, write
from hvae.study.sequence_sizes import check_walk

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.condition import Context
    from hvae.draw import Draw
    from hvae.explore.sample import Temperature
    from hvae.runs.sequences import InputSequences
    from hvae.site import Pin
    from hvae.study.conditions import Named
    from hvae.walk import Model

LENGTHS = "_len"
STEPS = "steps"
Arrays = Mapping[str, np.ndarray]


def read(where: Place, data: object, number: int, context: Named) -> InputSequences:
    """The first `number` sequences of a source, in the form of the model, with their context."""
    from hvae.data import SequenceData, load_any

    run = where.run
    data_set = load_any(run.config.override(where.overrides).data)
    if not isinstance(data_set, SequenceData):
        raise HvaeError(f"{run.folder} says that its data are images, and its model is of sequences")
    run.check_form(data_set.shape, data_set.bits, data_set.provenance.name)
    sequences = brought(run, data_set, data)
    own = under(sequences, run.model, numbers(run.model, context, meanings(run)))
    return own.some(range(min(number, len(own.split))))


def encoded(model: Model, sequences: InputSequences, draw: Draw, seed: int) -> tuple[dict[Pin, Tensor], Arrays]:
    """The latents of sequences by level, (N, K, D) or (N, D), 0 where a sequence has ended, and the same as arrays of a
    file."""
    from hvae import explore

    some = without_chance(sequences)
    values = explore.encode(model, some.batch(range(len(some))), draw=draw, seed=seed)
    return laid_out(values, sequences.split.lengths)


def laid_out(values: Mapping[Pin, Tensor], steps: Tensor) -> tuple[dict[Pin, Tensor], Arrays]:
    """Latents by level and step, (N, D) each, of sequences of so many `steps` (N,), as `encoded` gives them."""
    whole: dict[Pin, Tensor] = {}
    arrays: dict[str, np.ndarray] = {STEPS: steps.numpy()}
    for name, ticks in _ticks(values).items():
        whole[name], more = _of_level(name, ticks, values, steps)
        arrays |= more
    return whole, arrays


def _ticks(values: Mapping[Pin, Any]) -> dict[str, list[int]]:
    """The steps at which each level is visited, in their order; none of a level of the whole."""
    from hvae.site import as_key

    ticks: dict[str, list[int]] = {}
    for pin in values:
        name, step = as_key(pin)
        ticks.setdefault(name, []).extend([] if step is None else [step])
    return {name: sorted(steps) for name, steps in ticks.items()}


def _of_level(name: str, ticks: list[int], values: Mapping[Pin, Tensor], steps: Tensor) -> tuple[Tensor, Arrays]:
    import torch

    if not ticks:
        return values[name], {name: values[name].float().cpu().numpy()}
    exists = torch.tensor(ticks) < steps[:, None]  # (N, K)
    series = torch.stack([values[name, t] for t in ticks], 1).float().cpu()  # (N, K, D)
    packed = {name: series[exists].numpy(), name + LENGTHS: exists.sum(1).numpy()}
    return series * exists.view(*exists.shape, *[1] * (series.ndim - 2)), packed


def check_steps(arrays: Arrays, path: Path) -> np.ndarray:
    """The steps of each sequence of a file (N,).  Raises HvaeError where it does not say them."""
    steps = arrays.get(STEPS)
    if steps is None or steps.ndim != 1 or steps.dtype.kind not in "iu" or not len(steps) or steps.min() < 1:
        raise HvaeError(f"{path}: expected the steps of each sequence in the array {STEPS}, as hvae encode writes them")
    return steps


def latents_of(arrays: Arrays, model: Model, path: Path) -> tuple[dict[Pin, Tensor], np.ndarray]:
    """The latents of a file by level and step, (N, D) each, and the steps of each sequence (N,).

    Raises HvaeError for levels that the model does not have, and for lengths that contradict each other.
    """
    import torch

    steps = check_steps(arrays, path)
    longest = int(steps.max())
    check_memory(8 * len(steps) * longest * int(np.prod(model.shape[1:])), str(path), "decode fewer sequences")
    check_walk(model, 1, longest, advice=f"decode shorter sequences than those of {path}")
    ticks = _visited(model, longest)
    values: dict[Pin, Tensor] = {}
    for name, array in arrays.items():
        if name == STEPS or name.endswith(LENGTHS):
            continue
        if name not in ticks:
            raise unknown("level", name, ticks)
        counts = arrays.get(name + LENGTHS)
        rows = _apart(name, array, counts, [sum(t < n for t in ticks[name]) for n in steps.tolist()], path)
        each = {(name, t): rows[:, k] for k, t in enumerate(ticks[name])} if ticks[name] else {name: rows}
        values |= {pin: torch.from_numpy(np.ascontiguousarray(row)).float() for pin, row in each.items()}
    return values, steps


def _visited(model: Model, steps: int) -> dict[str, list[int]]:
    """The steps at which a model visits each of its levels, in sequences of so many."""
    from hvae.draw import prior
    from hvae.site import pin
    from hvae.walk import run, still

    with still(model, seed=0):
        trace = run(model, prior(), model.nothing(1, steps=steps))
    return _ticks({pin(record.key): None for record in trace.latents})


def _apart(name: str, array: Any, counts: Any, steps: list[int], path: Path) -> Any:
    """The ticks of a level, sequence by sequence, (N, K, D); (N, D) of a level of the whole."""
    if not np.isfinite(array).all():
        raise HvaeError(f"{path}: expected finite numbers, got others in {name}")
    if not any(steps):
        if len(array) != len(steps):
            raise HvaeError(f"{path}: expected a row of {name} for each of {len(steps)} sequences, got {len(array)}")
        return array
    if counts is None or list(counts) != steps or len(array) != sum(steps):
        raise HvaeError(
            f"{path}: expected {sum(steps):,} ticks of {name}, {steps[0]:,} of the first sequence, with {name}_len; "
            f"got {len(array):,}: the file is of another model, or damaged"
        )
    rows = np.zeros((len(steps), max(steps), *array.shape[1:]), np.float32)
    rows[np.arange(max(steps)) < np.array(steps)[:, None]] = array
    return rows


def decoded(
    where: Place,
    arrays: Arrays,
    path: Path,
    out: Path,
    levels: Sequence[str],
    temperature: Temperature,
    seed: int,
    context: Context,
) -> tuple[list[Any], tuple[Pin, ...]]:
    """Sequences of the latents of a file, written into a file of their kind, and which variables were given."""
    from hvae.explore.frame import check_levels, of_levels
    from hvae.explore.sequences import decode
    from hvae.study.placing import every

    run, model = where.run, where.model()
    form = form_of(run)
    check_suffix(out, form)
    values, steps = latents_of(arrays, model, path)
    check_levels(levels, list(_ticks(values)))
    pins = of_levels(levels, values) if levels else values
    x = decode(model, pins, int(steps.max()), context=context, temperature=every(temperature, model), seed=seed)
    sequences = [one[:n].numpy() for one, n in zip(x, steps.tolist(), strict=True)]
    write(out, sequences, form, run.bits)
    return sequences, tuple(_ticks(pins))
