"""The context of a conditional model: values that a user names, and labels and captions that images bring.

Shapes: `N` images; `T` tokens of a caption; `...` one row of a condition.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar, cast

from hvae.errors import HvaeError, HvaeWarning, short, unknown
from hvae.runs.words import class_names, words_of

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.condition import Condition, Context
    from hvae.data import Data, SequenceSplit, Split
    from hvae.data.sequences.form import SequenceForm
    from hvae.runs.images import InputImages
    from hvae.runs.sequences import InputSequences
    from hvae.walk import Model

Brought = TypeVar("Brought", "InputImages", "InputSequences")
LABEL, TEXT = "label", "text"
Named = Mapping[str, "Tensor | float | Sequence[float] | str | Sequence[str]"]
"""A context whose values may be texts: numbers, or names of classes, with commas between them; a caption, or a list."""
Classes = Callable[[], Sequence[str]]
"""The names of the classes of a run's data, which are read when they are asked for."""


@dataclass(frozen=True, eq=False)
class Meanings:
    """What the numbers of a context mean: names of classes, and the tokens of captions, None where there are none;
    `has_folders`, whether classes may be folders of a user's, whose names may be numbers."""

    classes: Classes
    words: SequenceForm | None = None
    has_folders: bool = False


def meanings(run: LoadedRun, classes: Classes | None = None) -> Meanings:
    """What the numbers of a run's context mean; its classes are those that are stored with its weights, or else those
    of the data that its configuration names, where these are on this machine, unless `classes` knows them."""
    from hvae.data import load_any

    names = class_names(run)
    data = replace(run.config.data, download=False)
    titles = (lambda: names) if names else classes or (lambda: load_any(data).classes)
    return Meanings(titles, words_of(run), has_folders=bool(names or run.config.data.path))


def numbers(model: Model, values: Named, meanings: Meanings) -> Context:
    """The context in numbers.

    Of a class a text is its name, else a whole number its number; a caption becomes its tokens.  Raises HvaeError for
    a condition that the model does not have, a value that is no number and no class, and a caption that says nothing.
    """
    for name in values:
        if name not in model.conditions:
            raise _unasked(name, model)
    return {name: _number(name, value, model.conditions[name], meanings) for name, value in values.items()}


def _number(name: str, value: object, condition: Condition, meanings: Meanings) -> Tensor | float | Sequence[float]:
    """A value as it is, or what a text or several say."""
    if isinstance(value, str):
        return _read(name, value, condition, meanings)
    is_said = isinstance(value, list | tuple) and bool(value) and all(isinstance(one, str) for one in value)
    return _read(name, cast(Sequence[str], value), condition, meanings) if is_said else cast("Sequence[float]", value)


def _unasked(name: str, model: Model) -> HvaeError:
    if not model.conditions:
        return HvaeError(f"this model has no conditions, got '{name}'; leave --context out")
    return unknown("condition", name, model.conditions)


def _read(
    name: str, text: str | Sequence[str], condition: Condition, meanings: Meanings
) -> Tensor | Sequence[float] | float:
    if condition.is_text:
        return _caption(name, [text] if isinstance(text, str) else text, meanings.words)
    words = [word.strip() for word in (_parted(text, condition, meanings) if isinstance(text, str) else text)]
    values = [_class(name, word, meanings) if condition.classes else _real(name, word) for word in words]
    return values if len(values) > 1 or condition.shape else values[0]


def _parted(text: str, condition: Condition, meanings: Meanings) -> Sequence[str]:
    """The values between commas, unless all is the name of a class."""
    if "," not in text or not condition.classes or not meanings.has_folders:
        return text.split(",")
    try:
        is_name = _composed(text.strip()) in map(_composed, meanings.classes())
    except HvaeError:
        is_name = False
    return [text] if is_name else text.split(",")


def _composed(text: str) -> str:
    """The same letters in the one form in which texts are compared: some systems store names in another."""
    return unicodedata.normalize("NFC", text)


def _caption(name: str, texts: Sequence[str], words: SequenceForm | None) -> Tensor:
    """The tokens of some captions, (N, T).

    Raises HvaeError for one of which the model knows nothing; warns (HvaeWarning) of what it does not know.
    """
    from hvae.data.captions import LARGEST, plain, tokens, unheard

    if words is None:
        raise HvaeError(f"{name}: this run does not say what its tokens stand for; give their numbers")
    longest = max(map(len, texts))
    if longest > LARGEST:
        raise HvaeError(f"{name}: expected a caption of up to {LARGEST:,} characters, got {longest:,}; shorten it")
    texts = [plain(text) for text in texts]
    rows = tokens(texts, words)
    for text, row in zip(texts, rows, strict=True):
        if not bool((row > 1).any()):
            some = ", ".join(short(symbol) for symbol in words.symbols[2:12])
            raise HvaeError(
                f"{name}: expected a caption in the {words.step}s of the training captions ({some}, ...), got "
                f"{short(text)}; say it in theirs"
            )
    if remark := unheard(texts, words):
        warnings.warn(f"{name}: {remark}", HvaeWarning, stacklevel=2)
    return rows


_WHOLE = re.compile(r"[+-]?\d+(\.0*)?")


def _class(name: str, word: str, meanings: Meanings) -> int:
    number = int(word.partition(".")[0]) if _WHOLE.fullmatch(word) else None
    if number is not None and not meanings.has_folders:
        return number
    try:
        titles = [_composed(title) for title in meanings.classes()]
    except HvaeError as fault:
        return _unread(name, word, number, fault)
    if _composed(word) in titles:  # first, for folders 1, 2 and 10 are the classes 0, 2 and 1
        return titles.index(_composed(word))
    if number is not None:
        return number
    if not titles:
        raise HvaeError(f"{name}: the run's data name no classes, got '{word}'; give the number of the class")
    raise unknown("class", word, titles)


def _unread(name: str, word: str, number: int | None, fault: HvaeError) -> int:
    """The class of a word where the names of classes cannot be read."""
    where = "the run's data, which hold the names of its classes, cannot be read here"
    if number is None:
        raise HvaeError(f"{name}: got '{word}', and {where}; give the number of the class") from fault
    warnings.warn(
        f"{name}: {where}; {number} is read as the number of a class, from 0 in the order of their names",
        HvaeWarning,
        stacklevel=2,
    )
    return number


def _real(name: str, word: str) -> float:
    from hvae.data.columns import is_number

    if word.lower() == "nan" or is_number(word):
        return float(word)
    raise HvaeError(f"{name}: expected a number (nan: unknown), got '{word}'")


def complete(model: Model, context: Context) -> None:
    """Raises HvaeError where a condition that the model must have is left out: what to give, and how."""
    for name, condition in model.conditions.items():
        if name not in context and not condition.optional:
            raise _missing(name, condition)


def _missing(name: str, condition: Condition, why: str = "") -> HvaeError:
    example = f"{name}='a caption'" if condition.is_text else f"{name}=0" if condition.classes else f"{name}=0.5"
    return HvaeError(
        f"this model is conditional: '{name}' is {condition}{why}; give it as --context {example} "
        f"(in Python context={{'{name}': ...}})"
    )


def classes_for(model: Model, data: Data) -> list[str]:
    """The names of the classes that a model is conditioned on, to be stored with its weights; none where its data name
    none, or others than it has."""
    condition = model.conditions.get(LABEL)
    return list(data.classes) if condition and condition.classes == len(data.classes) else []


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


def by_name(inputs: InputImages, model: Model, meanings: Meanings) -> InputImages:
    """A user's images with their labels by the names of the run's classes, and their captions in the run's tokens;
    without any label where they name others.

    Labels without names stay as they are.
    """
    return _classed(replace(inputs, split=inputs.split.spelled(meanings.words)), model, meanings.classes)


def _classed(inputs: InputImages, model: Model, classes: Classes) -> InputImages:
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
