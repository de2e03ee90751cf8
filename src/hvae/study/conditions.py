"""The context of a conditional model: values that a user names, and labels that images bring.

Shapes: `N` images; `...` one row of a condition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from hvae.errors import HvaeError, unknown

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.data import SequenceSplit, Split
    from hvae.datum import Condition, Context
    from hvae.runs.images import InputImages
    from hvae.runs.sequences import InputSequences
    from hvae.walk import Model

Brought = TypeVar("Brought", "InputImages", "InputSequences")
LABEL = "label"
Named = Mapping[str, "Tensor | float | Sequence[float] | str"]
"""A context whose values may be texts: numbers, or names of classes, with commas between them."""
Classes = Callable[[], Sequence[str]]
"""The names of the classes of a run's data, which are read when they are asked for."""


def classes_of(run: LoadedRun) -> Classes:
    """The names of the classes of the data that a run's configuration names, where these are on this machine."""
    from hvae.data import load

    return lambda: load(replace(run.config.data, download=False)).classes


def numbers(model: Model, values: Named, classes: Classes) -> Context:
    """The context in numbers.

    A whole number is the number of a class, any other text its name.  Raises HvaeError for a condition that the model
    does not have, and a value that is no number and no class.
    """
    for name in values:
        if name not in model.conditions:
            raise _unasked(name, model)
    return {
        name: _read(name, value, model.conditions[name], classes) if isinstance(value, str) else value
        for name, value in values.items()
    }


def _unasked(name: str, model: Model) -> HvaeError:
    if not model.conditions:
        return HvaeError(f"this model has no conditions, got '{name}'; leave --context out")
    return unknown("condition", name, model.conditions)


def _read(name: str, text: str, condition: Condition, classes: Classes) -> Sequence[float] | float:
    words = [word.strip() for word in text.split(",")]
    values = [_class(name, word, classes) if condition.classes else _real(name, word) for word in words]
    return values if len(values) > 1 or condition.shape else values[0]


def _class(name: str, word: str, classes: Classes) -> int:
    if word.lstrip("-").isdecimal():
        return int(word)
    try:
        titles = list(classes())
    except HvaeError as fault:
        raise HvaeError(
            f"{name}: got '{word}', and the run's data, which hold the names of its classes, cannot be read here; give "
            "the number of the class"
        ) from fault
    if word in titles:
        return titles.index(word)
    if not titles:
        raise HvaeError(f"{name}: the run's data name no classes, got '{word}'; give the number of the class")
    raise unknown("class", word, titles)


def _real(name: str, word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise HvaeError(f"{name}: expected a number, got '{word}'") from None


def complete(model: Model, context: Context) -> None:
    """Raises HvaeError where a condition that the model must have is left out: what to give, and how."""
    for name, condition in model.conditions.items():
        if name not in context and not condition.optional:
            raise _missing(name, condition)


def _missing(name: str, condition: Condition, why: str = "") -> HvaeError:
    example = f"{name}=0" if condition.classes else f"{name}=0.5"
    return HvaeError(
        f"this model is conditional: '{name}' is {condition}{why}; give it as --context {example} "
        f"(in Python context={{'{name}': ...}})"
    )


def complete_data(model: Model, split: Split | SequenceSplit) -> None:
    """Raises HvaeError where a run's own data do not bring the context that its model must have."""
    for name, condition in model.conditions.items():
        if not condition.optional and name not in split.known:
            raise HvaeError(
                f"this model is conditional: '{name}' is {condition}, and the run's own data bring none; give data "
                f"with {name}"
            )


def under(inputs: Brought, model: Model, context: Context) -> Brought:
    """The data with the context that a model asks for, {name: (N, ...)}: the user's, else what they bring themselves.

    Raises HvaeError where neither says enough, and where values do not fit.
    """
    import torch

    n, cpu = len(inputs.split), torch.device("cpu")
    every: Context = {**inputs.split.known, **inputs.context, **context}
    rows = {}
    for name, condition in model.conditions.items():
        if name in every:
            rows[name] = condition.rows(name, every[name], n, cpu)
        elif not condition.optional:
            raise _missing(name, condition, ", and the data bring none")
    return replace(inputs, context=rows)


def by_name(inputs: InputImages, model: Model, classes: Classes) -> InputImages:
    """A user's images with their labels by the names of the run's classes; without any where they name others.

    Labels without names stay as they are.
    """
    import torch

    labels = inputs.split.labels
    if LABEL not in model.conditions or labels is None or not inputs.classes:
        return inputs
    titles = list(classes())
    if not titles or list(inputs.classes) == titles:
        return inputs
    if not set(inputs.classes) <= set(titles):
        return replace(inputs, split=replace(inputs.split, labels=None))
    places = torch.tensor([titles.index(title) for title in inputs.classes])
    return replace(inputs, split=replace(inputs.split, labels=places[labels]))


def other_classes(inputs: InputImages, model: Model, classes: Sequence[str]) -> str:
    """The remark that labels of a data set mean other classes than the run's; empty where they do not."""
    used = LABEL in model.conditions and inputs.split.labels is not None
    if not used or not inputs.classes or list(inputs.classes) == list(classes):
        return ""
    return (
        f"the labels of {inputs.origin.provenance.name} mean other classes than those of the run; they are taken as "
        "they are: name one for all with --context"
    )
