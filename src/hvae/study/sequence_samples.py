"""Sequences drawn from a run, or going on from a beginning, as a file.

Shapes: `n` sequences; `T` steps; `...` one step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from hvae.capacity import check_memory
from hvae.errors import entries
from hvae.records import JSON
from hvae.runs.sequences import form_of
from hvae.screen.numbers import clock
from hvae.study.conditions import complete, meanings, numbers
from hvae.study.places import check_place
from hvae.study.placing import Place, at_once, by_rest, every, uniform_levels
from hvae.study.progress import Tell, silent
from hvae.study.sequence_files import check_suffix, usual_suffix, write
from hvae.study.sequence_sizes import MANY, check_walk, time_of

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.condition import Context
    from hvae.explore.guide import Guidance
    from hvae.explore.sample import Temperature
    from hvae.study.conditions import Named
    from hvae.walk import Model

LONG = 30.0
"""Seconds of which it is said beforehand that they pass."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SequenceSamples:
    """Sequences (n, T, ...) as the model gives them, and how they were drawn; `begun`, steps that were given."""

    file: Path
    sequences: Tensor
    temperature: Mapping[str, float]
    seed: int
    begun: int
    guidance: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    noun: ClassVar[str] = "sequences"

    def to_dict(self) -> JSON:
        """Plain values for JSON: what `hvae sample --json` gives for a run of sequences."""
        return {
            "file": str(self.file),
            "number": len(self.sequences),
            "steps": self.sequences.shape[1],
            "begun": self.begun,
            "temperature": dict(self.temperature),
            "guidance": dict(self.guidance),
            "seed": self.seed,
            "notes": list(self.notes),
        }


def draw_sequences(
    where: Place,
    out: str | Path | None,
    *,
    number: int,
    steps: int | None = None,
    beginning: str | Path | None = None,
    temperature: Temperature = 1.0,
    guidance: Guidance = 1.0,
    context: Named | None = None,
    seed: int | None = None,
    tell: Tell = silent,
) -> SequenceSamples:
    """Draw sequences from a run and write them into a file of their kind.

    Arguments: `out`, the file (RUN/samples.npz, .wav or .txt by default); `steps` of each (none: those of the model's
    shape, and as many more as the beginning has); `beginning`, a file whose sequence all of them begin with;
    `temperature` of all levels or by name, "" for the others; `guidance`, how closely they follow the context,
    likewise; `context` of a conditional model; `seed`, for the same sequences again; `tell`
    hears of a wish for more than was trained, before it is granted.  Raises HvaeError before any work for what cannot
    be drawn or written.
    """
    import torch

    from hvae.data.sequences.natural import read_like
    from hvae.explore.guide import weights
    from hvae.explore.sequences import check_beginning, generate
    from hvae.walk import names

    run, model = where.run, where.run.model
    form = form_of(run)
    file = Path(out or run.folder / f"samples{usual_suffix(form.kind)}")
    check_suffix(file, form)
    check_place(file, beginning)
    start = None if beginning is None else torch.from_numpy(read_like(Path(beginning), form, run.bits))
    begun = 0 if start is None else len(start)
    length = steps or model.shape[0] + begun
    if start is not None:
        check_beginning(model, start, length)
    check_memory(4 * number * length * prod(model.shape[1:]), f"{number:,} sequences of {length:,} steps", "draw fewer")
    values = numbers(model, entries(context), meanings(run))
    complete(model, values)
    steered = weights(every(guidance, model), model, names(model), values)
    rows = at_once(model)
    check_walk(where.model(), min(number, rows) * (2 if steered else 1), length, values, "ask for fewer --steps")
    notes = (*_longer(run, length), *_unrelated(model))
    for note in (*notes, *slowness(where.model(), number, rows, length, values)):
        tell(note)
    seed = torch.seed() % 2**32 if seed is None else seed
    by_level = every(temperature, model)
    sequences = generate(
        *(where.model(), number, length),
        beginning=start,
        context=values,
        temperature=by_level,
        guidance=every(guidance, model),
        seed=seed,
        chunk=rows,
    )
    write(file, [np.asarray(one) for one in sequences.numpy()], form, run.bits)
    return SequenceSamples(
        file=file,
        sequences=sequences,
        temperature=by_rest(temperature),
        seed=seed,
        begun=begun,
        guidance=steered,
        notes=notes,
    )


def slowness(model: Model, number: int, rows: int, steps: int, context: Context | None) -> tuple[str, ...]:
    """The remark how long it takes, where that is long."""
    if steps < MANY:
        return ()
    seconds = -(-number // rows) * time_of(model, min(number, rows), steps, context)
    return (f"{steps:,} steps, one after the other: at least {clock(seconds)} here",) if seconds > LONG else ()


def _unrelated(model: Model) -> tuple[str, ...]:
    """The remark that codes are drawn without regard to each other."""
    levels = uniform_levels(model)
    if not levels:
        return ()
    sizes = ", ".join(f"{name} over {codes:,} codes" for name, codes in levels.items())
    return (f"uniform prior, since none is trained: {sizes}; what is drawn is of unrelated codes",)


def _longer(run: LoadedRun, steps: int) -> tuple[str, ...]:
    """The remark that more steps are asked for than any training sequence had."""
    longest = int((run.description.get("data") or {}).get("sequences", {}).get("longest", 0))
    if not longest or steps <= longest:
        return ()
    return (
        f"{steps:,} steps are more than the {longest:,} of the longest training sequence: expect the form to drift",
    )
