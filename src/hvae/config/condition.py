"""What a model is told about its condition: what is known of each datum in generation too.  No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from hvae.config.bounds import Bound, Fraction, Levels, Repeats, Size, SizesOrNone
from hvae.config.parse import Section
from hvae.errors import HvaeError

ConditionKind = Literal["none", "class", "vector", "text"]
How = Literal["add", "film", "concat"]
Enters = Literal["levels", "priors", "both"]
ALL = "all"
OF_THE_DATA = 0
Share = Annotated[float, Bound(least=0, most=10)]
CONTEXT = {"class": "label", "vector": "attributes", "text": "text"}
"""The name in a datum's context that each kind reads."""


@dataclass(frozen=True, kw_only=True)
class ConditionConfig(Section):
    """A condition y that enters chosen levels of a model: p(x, z given y) and q(z given x, y).

    >>> ConditionConfig(kind="class", levels="z4,z3").levels
    ('z4', 'z3')
    >>> ConditionConfig(drop=0.1)
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: model.condition.drop: there is no condition to drop; set model.condition.kind to class or ...
    """

    at: ClassVar[str] = "model.condition"

    kind: ConditionKind = "none"
    """none; class, the label of each datum; vector, the numbers that data.attributes names; text, the captions that
    data.captions names."""
    levels: Levels = (ALL,)
    """Levels that it enters: prior, posterior and what lies below of each, by name (z4,z3); all for every one.  Where
    y may enter the last hidden layer of the decoder too (vae, lvae, vlae, biva), x names it: z1,x."""
    enters: Enters = "levels"
    """levels: their features, so that codes and pictures are those of the condition; priors: trained priors over codes
    alone, p(z given y) of the codes of pictures, as in a second stage; both."""
    how: How = "film"
    """How it enters a feature: add, film (scale and shift of each channel), concat (a linear map of both)."""
    start: Share = 1.0
    """How loud it is before training: its layers are drawn N(0, start^2 / (levels * inputs)); with 0 a model starts at
    the bound of one without a condition."""
    drop: Fraction = 0.0
    """Probability that a datum's condition is hidden in training; above 0 the condition is optional: it may be unknown,
    the model generates without it, and guidance is possible (0.1 is usual)."""
    classes: Annotated[int, Bound(least=0, most=10**6)] = OF_THE_DATA
    """Number of classes, or of kinds of tokens of a text (0: as the data have; training fills it in)."""
    numbers: Annotated[int, Bound(least=0, most=10**6)] = OF_THE_DATA
    """Numbers of a vector, or tokens of a text (0: as the data have; training fills it in)."""
    width: Size = 64
    """Size of what the networks see of it: the embedding of a class, the hidden layer of a vector, the Transformer of
    a text."""
    layers: Repeats = 2
    """Layers of the Transformer that reads a text."""
    heads: Repeats = 4
    """Heads of its attention; they divide `width`."""
    classifier: SizesOrNone = ()
    """Hidden widths of a network q(y given x) that guesses a class that is not known, in training (objective.kind m2)
    and after it; none: no such network."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind == "none" and self.drop:
            raise HvaeError(
                "model.condition.drop: there is no condition to drop; set model.condition.kind to class or text"
            )
        if self.kind == "none" and self.enters != "levels":
            raise HvaeError(
                "model.condition.enters: there is no condition to enter; set model.condition.kind to class or text"
            )
        if self.kind == "none" and self.levels != (ALL,):
            raise HvaeError(
                "model.condition.levels: there is no condition to place; set model.condition.kind to class or text"
            )
        if self.classifier and self.kind != "class":
            raise HvaeError("model.condition.classifier: guesses a class; set model.condition.kind to class")
        if self.classifier and self.drop:
            raise HvaeError(
                "model.condition.classifier: an unknown class is guessed, never hidden; set model.condition.drop to 0"
            )
        if ALL in self.levels and len(self.levels) > 1:
            raise HvaeError(f"model.condition.levels: expected all or names of levels, got {','.join(self.levels)}")

    @property
    def context(self) -> str:
        """The name of the condition in the context; empty without one."""
        return CONTEXT.get(self.kind, "")

    @property
    def size(self) -> int:
        """Classes, numbers of a vector, or of a text the lesser of both; 0 while that is left to the data."""
        sizes = {"class": self.classes, "vector": self.numbers, "text": min(self.classes, self.numbers)}
        return sizes.get(self.kind, 0)

    @property
    def is_open(self) -> bool:
        """Whether its size is still left to the data."""
        return self.kind != "none" and self.size == OF_THE_DATA
