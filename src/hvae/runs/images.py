"""Images in the form of a model, with where they come from and what was done to them on the way.

Shapes: `C` channels; `H W` space.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hvae.records import JSON
from hvae.screen.numbers import counted

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.data import Provenance, Split
    from hvae.data.look import Form


@dataclass(frozen=True, eq=False, kw_only=True)
class Change:
    """What was done to `count` images of the forms `before` to make them images of the form `after`."""

    count: int
    before: Sequence[Form]
    after: Form
    steps: Sequence[str]

    def __str__(self) -> str:
        listing = " and ".join(map(str, self.before[:2])) + " and others" * (len(self.before) > 2)
        return f"{counted(self.count, 'image')} of {listing}, brought to {self.after} ({', '.join(self.steps)})"

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        return {
            "images": self.count,
            "from": [{"shape": list(form.shape), "bits": form.bits or "floats"} for form in self.before],
            "to": {"shape": list(self.after.shape), "bits": self.after.bits},
            "steps": list(self.steps),
            "text": str(self),
        }


@dataclass(frozen=True, eq=False)
class Origin:
    """Where images come from: a data set, and which part of it they are."""

    provenance: Provenance
    split: str

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        return {**self.provenance.to_dict(), "split": self.split}


@dataclass(frozen=True, eq=False, kw_only=True)
class InputImages:
    """Images as a model takes them, `split`, and the same before any bits were drawn from grey, `grey`.

    `origin`, where they come from; `change`, what was done to them, None for nothing; `counts`, what was there and what
    of it is used, empty where that is all as it is; `classes`, what each label of theirs means, where that is known;
    `context`, what is said of them beside their labels, {name: (N, ...)}; `remark`, what else a user should know;
    `beyond`, how many more there were.
    """

    origin: Origin
    split: Split
    grey: Split
    change: Change | None = None
    counts: str = ""
    classes: tuple[str, ...] = ()
    context: Mapping[str, Tensor] = field(default_factory=dict)
    remark: str = ""
    beyond: int = 0

    def notes(self) -> list[str]:
        """What a user should know of them, a line each."""
        return [line for line in (self.counts, str(self.change or ""), self.remark) if line]

    def some(self, indices: Sequence[int] | Tensor) -> InputImages:
        """These images alone, in this order."""
        change = replace(self.change, count=len(indices)) if self.change else None
        context = {name: rows[indices] for name, rows in self.context.items()}
        split, grey = self.split.some(indices), self.grey.some(indices)
        beyond = self.beyond + len(self.split) - len(indices)
        return replace(self, split=split, grey=grey, change=change, context=context, beyond=beyond)


def steps_between(before: Form, after: Form, crop: str, draw: bool) -> Iterator[str]:
    """What has to be done to images of one form to make them images of another, a word or two each."""
    if len(after.shape) == 3:
        yield from _resized(before.shape[1:], after.shape[1:], crop)
        if before.shape[0] != after.shape[0]:
            yield "to grey" if after.shape[0] == 1 else "grey repeated"
    if before.bits == after.bits:
        return
    if after.bits == 1:
        yield "drawn" if draw else "thresholded"
    else:
        yield f"{'cut' if before.bits > after.bits else 'rounded'} to {after.bits} bits"


def _resized(before: Sequence[int], after: Sequence[int], crop: str) -> Iterator[str]:
    (high, wide), (tall, broad) = before, after
    if (high, wide) == (tall, broad):
        return
    if crop == "pad":
        yield "padded"
    elif high * broad == wide * tall:
        yield "scaled"
    elif crop == "none":
        yield "stretched"
    else:
        yield "cropped to a square" if tall == broad else f"cropped to {tall}:{broad}"
        if (min(high, wide * tall / broad), min(wide, high * broad / tall)) != (tall, broad):
            yield "scaled"
