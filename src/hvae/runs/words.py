"""What the captions of a run are made of, and what its classes are called: both are stored with the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.data.sequences.form import SequenceForm


def words_of(run: LoadedRun) -> SequenceForm | None:
    """What the tokens of a run's captions stand for; None where it was trained on none."""
    from hvae.data.sequences.form import SequenceForm

    record = (run.description.get("data") or {}).get("captions")
    return SequenceForm.from_dict(record) if record else None


def class_names(run: LoadedRun) -> Sequence[str]:
    """The names of the classes that a run is conditioned on, in the order of their numbers; none where its file has
    none."""
    return run.description.get("classes", [])
