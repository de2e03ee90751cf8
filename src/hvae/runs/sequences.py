"""Sequences of the user's, in the form that a model was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.config.data import SEQUENCES
from hvae.errors import HvaeError
from hvae.files import expanded
from hvae.runs.form import SPLITS
from hvae.runs.images import Origin
from hvae.runs.words import words_of

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.data import SequenceData, SequenceSplit
    from hvae.data.sequences.form import SequenceForm


@dataclass(frozen=True, eq=False, kw_only=True)
class InputSequences:
    """Sequences as a model takes them; `origin`, where they come from; `counts`, what was there and what of it is used,
    empty where that is all; `context`, what is said of them beside their labels, {name: (N, ...)}; `remark`, what else
    a user should know; `beyond`, how many more there were."""

    origin: Origin
    split: SequenceSplit
    counts: str = ""
    context: Mapping[str, Tensor] = field(default_factory=dict)
    remark: str = ""
    beyond: int = 0

    def some(self, indices: Sequence[int] | Tensor) -> InputSequences:
        """These sequences alone, in this order."""
        context = {name: rows[indices] for name, rows in self.context.items()}
        beyond = self.beyond + len(self.split) - len(indices)
        return replace(self, split=self.split.some(indices), context=context, beyond=beyond)

    def notes(self) -> list[str]:
        """What a user should know of them, a line each."""
        return [line for line in (self.counts, self.remark) if line]


def form_of(run: LoadedRun) -> SequenceForm:
    """What the sequences of a run are of.  Raises HvaeError where its file does not say it."""
    from hvae.data.sequences.form import SequenceForm

    record = (run.description.get("data") or {}).get("sequences")
    if not record:
        raise HvaeError(f"{run.folder} does not say what its sequences are of; train it by hvae train to use them")
    return SequenceForm.from_dict(record)


def _classed(split: SequenceSplit, own: Sequence[str], classes: Sequence[str]) -> SequenceSplit:
    """Sequences whose labels are by their own names of classes with those of the run's; without any where they name
    others.  Labels without names stay as they are."""
    import torch

    if split.labels is None or not own or list(own) == list(classes):
        return split
    if not set(own) <= set(classes):
        return replace(split, labels=None)
    return replace(split, labels=torch.tensor([classes.index(title) for title in own])[split.labels])


def brought(run: LoadedRun, data: SequenceData, source: object) -> InputSequences:
    """A split of the run's own data, the test data of a known set, or those of a file or folder.

    Raises HvaeError for what is none of these, and for sequences of another form than the run's.
    """
    from hvae.data.sequences.like import known_like, sequences_like
    from hvae.data.tally import Tally

    if not isinstance(source, str | Path):
        raise HvaeError(f"expected sequences as {', '.join(SPLITS)} or a place, got {type(source).__name__}; save them")
    if source in SPLITS:
        split: SequenceSplit = getattr(data, str(source))
        if not len(split):
            raise HvaeError(f"this run has no {source} data; choose another split, or set data.{source} above 0")
        return InputSequences(origin=Origin(data.provenance, str(source)), split=split)
    form, config = form_of(run), run.config.data
    if source in SEQUENCES:
        split, part, tally = known_like(str(source), form, run.bits, config), "test", Tally()
    else:
        split, part, raw = sequences_like(expanded(source), form, run.bits, config)
        split, tally = _classed(split, raw.classes, data.classes).spelled(words_of(run)), raw.tally
    if split.store.shape[1:] != run.model.shape[1:]:
        raise HvaeError(
            f"{source}: expected steps of shape {run.model.shape[1:]}, as the model takes them, got "
            f"{tuple(split.store.shape[1:])}"
        )
    name = source if source in SEQUENCES else f"sequences:{Path(source).name}"
    provenance = replace(data.provenance, name=str(name), source=str(source), tally=tally)
    return InputSequences(origin=Origin(provenance, part), split=split, counts=str(tally) if tally.remarks() else "")
