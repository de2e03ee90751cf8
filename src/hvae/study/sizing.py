"""What a configuration leaves to the data: how many classes a condition has, how many numbers, how many tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hvae.config.columns import COLUMNS, NAME
from hvae.config.condition import ConditionConfig
from hvae.config.run import RunConfig
from hvae.errors import HvaeError, short
from hvae.screen.text import for_screen

if TYPE_CHECKING:
    from hvae.data import Data, ImageData, SequenceData

VOCABULARY = "vocabulary"
"""The key of the families that model text: how many tokens there are, 0 for as many as the data have."""


def sized(config: RunConfig, data: Data) -> RunConfig:
    """The configuration with the sizes that its data decide: what is trained, stored and loaded.

    Raises HvaeError where the data bring no such condition, do not fit the size that is set, or do not always know it
    though the model must.
    """
    from hvae.data import SequenceData

    condition = config.model.condition
    _check_guesses(config)
    config = _with_vocabulary(config, data) if isinstance(data, SequenceData) else _with_columns(config, data)
    if condition.kind == "none":
        return config
    sizes = _sizes(condition, data)
    # A sum over classes walks a row for each.
    rows = {"objective.samples": sizes["classes"]} if condition.classifier else {}
    return config.override({**{f"model.condition.{key}": size for key, size in sizes.items()}, **rows})


def _check_guesses(config: RunConfig) -> None:
    """Raises HvaeError where a class is guessed and not summed over, or the reverse."""
    guesses, sums = bool(config.model.condition.classifier), config.objective.kind == "m2"
    if sums and not guesses:
        raise HvaeError(
            "objective.kind: m2 sums over classes that a model guesses; set model.condition.kind class and "
            "model.condition.classifier, as in 500"
        )
    if guesses and not sums:
        raise HvaeError(
            f"model.condition.classifier: learns by objective.kind m2, got {config.objective.kind}; set it to m2"
        )


def _with_vocabulary(config: RunConfig, data: SequenceData) -> RunConfig:
    symbols, vocabulary = data.form.symbols, config.to_dict()["model"].get(VOCABULARY)
    if vocabulary and vocabulary < len(symbols):
        raise HvaeError(
            f"model.{VOCABULARY}: expected the {len(symbols):,} symbols of these data or more, got {vocabulary:,}; "
            "0 takes theirs"
        )
    return config.override({f"model.{VOCABULARY}": len(symbols)}) if symbols and vocabulary == 0 else config


def _with_columns(config: RunConfig, data: ImageData) -> RunConfig:
    """Raises HvaeError for a likelihood of columns without a table, and for names before any other likelihood."""
    columns, likelihood = data.provenance.columns, config.model.likelihood
    if likelihood == COLUMNS and not columns:
        raise HvaeError(
            f"model.likelihood: columns are those of a table, and {data.provenance.name} is none; set --data.name table"
        )
    if likelihood != COLUMNS:
        if name := next((name for name, column in columns.items() if column.kind.startswith(NAME)), ""):
            raise HvaeError(
                f"column {short(name)} holds names, and model.likelihood {likelihood} knows numbers alone; "
                "set it to columns"
            )
        return config
    kinds = tuple(column.kind for column in columns.values())
    if config.model.columns not in ((), kinds):
        raise HvaeError(
            f"model.columns: expected {short(','.join(kinds))}, as {data.provenance.name} has, got "
            f"{short(','.join(config.model.columns))}; leave it out"
        )
    return config.override({"model.columns": kinds})


def settled(config: RunConfig) -> RunConfig:
    """The configuration with the sizes that it leaves to its data, which are read only where it leaves some."""
    if not config.model.is_open:
        return config
    from hvae.data import load

    return sized(config, load(config.data))


def asked_like(config: RunConfig, own: RunConfig) -> RunConfig:
    """The configuration with the sizes that a run of its own has found in its data, where it leaves them to these."""
    if own.model.columns and config.model.likelihood == COLUMNS and not config.model.columns:
        config = replace(config, model=replace(config.model, columns=own.model.columns))
    condition = config.model.condition
    if not condition.is_open or condition.kind != own.model.condition.kind:
        return config
    own_condition = own.model.condition
    same = replace(condition, classes=own_condition.classes, numbers=own_condition.numbers)
    return replace(config, model=replace(config.model, condition=same))


def _sizes(condition: ConditionConfig, data: ImageData | SequenceData) -> dict[str, int]:
    if condition.kind == "class":
        return _classes(condition, data)
    if condition.kind == "vector":
        return _numbers(condition, data)
    return _tokens(condition, data)


def _classes(condition: ConditionConfig, data: ImageData | SequenceData) -> dict[str, int]:
    name = data.provenance.name
    labels = [split.labels for split in (data.train, data.valid, data.test) if len(split)]
    if any(some is None for some in labels):
        raise HvaeError(
            f"model.condition.kind: class needs labels, and {name} has none; give images or sequences in a folder for "
            "each class, or arrays with labels"
        )
    every = [some for some in labels if some is not None]
    if not (condition.drop or condition.classifier) and any(bool((some < 0).any()) for some in every):
        raise HvaeError(
            f"some labels of {name} are unknown (-1); set model.condition.drop above 0, which lets a label be unknown, "
            "or model.condition.classifier, which guesses it"
        )
    count = max([len(data.classes), *(int(some.max()) + 1 for some in every)])
    if not count:
        raise HvaeError(f"model.condition.kind: class needs labels, and all of {name} are unknown (-1); label some")
    if condition.classes and condition.classes < count:
        raise HvaeError(
            f"model.condition.classes: expected at least {count}, as many as {name} has, got {condition.classes}; "
            "leave it at 0"
        )
    return {"classes": condition.classes or count}


def _numbers(condition: ConditionConfig, data: ImageData | SequenceData) -> dict[str, int]:
    name, vectors = data.provenance.name, data.train.attributes
    if vectors is None:
        raise HvaeError(
            f"model.condition.kind: vector needs numbers beside each datum, and {name} has none; name a CSV file in "
            "data.attributes"
        )
    count = vectors.shape[1]
    if condition.numbers not in (0, count):
        raise HvaeError(
            f"model.condition.numbers: expected {count}, as many as data.attributes has, got {condition.numbers}; "
            "leave it at 0"
        )
    every = [some for split in (data.train, data.valid, data.test) if (some := split.attributes) is not None]
    if not condition.drop and any(bool(some.isnan().any()) for some in every):
        raise HvaeError(
            f"some numbers in data.attributes of {name} are missing; set model.condition.drop above 0, which lets them "
            "be unknown"
        )
    return {"numbers": count}


def _tokens(condition: ConditionConfig, data: ImageData | SequenceData) -> dict[str, int]:
    name, form = data.provenance.name, data.provenance.captions
    if form is None:
        raise HvaeError(
            f"model.condition.kind: text needs captions, and {name} has none; set data.captions to beside (a .txt for "
            "each file of a folder) or to a CSV file of file,caption"
        )
    sizes = {"classes": len(form.symbols), "numbers": form.longest}
    for key, own in (("classes", condition.classes), ("numbers", condition.numbers)):
        if own not in (0, sizes[key]):
            raise HvaeError(
                f"model.condition.{key}: expected {sizes[key]:,}, as the captions of {name} have, got {own:,}; leave "
                "it at 0"
            )
    if not condition.drop:
        _check_said(data)
    return sizes


def _check_said(data: ImageData | SequenceData) -> None:
    """Raises HvaeError, which names some, for data without a caption."""
    every = [
        (name, text)
        for split in (data.train, data.valid, data.test)
        if split.captions
        for name, text in zip(split.names(), split.captions.texts, strict=True)
    ]
    without = [for_screen(name) for name, text in every if not text]
    if without:
        what = "sequences" if data.provenance.sequences else "pictures"
        raise HvaeError(
            f"caption missing: {len(without):,} of {len(every):,} {what} of {data.provenance.name} have none "
            f"({', '.join(without[:3])}{', ...' * (len(without) > 3)}); write them, or set model.condition.drop above "
            "0, which lets a caption be unknown"
        )
