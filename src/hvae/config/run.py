"""A whole run in one value: the settings of training, evaluation and report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hvae.config.data import DataConfig
from hvae.config.document import document, text_of
from hvae.config.evaluate import EvaluateConfig
from hvae.config.families import FAMILIES, family_type
from hvae.config.model import LadderConfig, ModelConfig
from hvae.config.objective import ObjectiveConfig, of_all_levels
from hvae.config.parse import hints, plain, read
from hvae.config.train import TrainConfig
from hvae.errors import HvaeError, short, unknown
from hvae.files import write_text
from hvae.records import JSON

Overrides = Mapping[str, object]
"""New values by dotted key, as in {"train.steps": 100}; texts are read by the type of their key."""

SCHEMA = 1
"""The version of the file format; a later one that renames a key counts up."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Model, data, objective, training and evaluation: running it again reproduces the run.

    >>> config = RunConfig(model=LadderConfig(width=32))
    >>> RunConfig.from_yaml(config.to_yaml()) == config
    True
    >>> config.override({"model.groups": "1,2", "train.seed": "3"}).model.groups
    (1, 2)
    """

    model: ModelConfig = field(default_factory=LadderConfig)
    """The family and its sizes."""
    data: DataConfig = field(default_factory=DataConfig)
    """The data set and how it is prepared."""
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    """What is minimised."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """How it is minimised."""
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    """How the result is measured."""

    def __post_init__(self) -> None:
        if self.train.lr_length and not self.data.is_sequential:
            raise HvaeError(
                f"train.lr_length speaks of the steps of sequences, and data.name is {self.data.name}; leave it out"
            )

    def to_dict(self) -> JSON:
        """Plain dicts, lists, numbers and texts, complete."""
        sections = plain(self)
        return {"schema": SCHEMA, **sections, "model": {"family": self.model.family, **sections["model"]}}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> RunConfig:
        """The inverse of `to_dict`; what is left out has its default.  Raises HvaeError naming the faulty key."""
        if not isinstance(values, Mapping):
            got = "nothing" if values is None else short(values)
            raise HvaeError(f"expected a configuration with the sections {', '.join(SECTIONS)}, got {got}")
        sections = {"schema": SCHEMA, **values}
        schema = sections.pop("schema")
        if schema != SCHEMA:
            got = short(schema)
            raise HvaeError(f"schema: this version of hvae reads configurations of schema {SCHEMA}, got {got}")
        for name in sections:
            if name not in SECTIONS:
                raise unknown("section", name, SECTIONS)
        return cls(**{name: _section(name, value) for name, value in sections.items()})

    def to_yaml(self) -> str:
        """The configuration as text."""
        return yaml.dump(self.to_dict(), Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=110)

    @classmethod
    def from_yaml(cls, text: str) -> RunConfig:
        """The inverse of `to_yaml`.  Nothing in the text is ever executed."""
        return cls.from_dict(document(text))

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all."""
        write_text(
            path, f"# A complete hvae run; repeat it with: hvae train THIS_FILE --out NEW_FOLDER\n{self.to_yaml()}"
        )

    @classmethod
    def load(cls, path: str | Path) -> RunConfig:
        """Read a file that `save` or a person wrote.  Raises HvaeError, naming it, where it holds no configuration."""
        text = text_of(path)
        try:
            return cls.from_yaml(text)
        except HvaeError as fault:
            raise HvaeError(f"{path}: {fault}") from None

    def override(self, values: Overrides) -> RunConfig:
        """The same run with some dotted keys changed; texts are read by the type of their key.

        `model.family` changes first: the new family keeps what both share, but for what it takes one value of (the
        likelihood of a diffusion).  Levels by name are none of it: of numbers of the objective that were given by level
        the largest then holds for all levels.  A condition that is taken away takes its keys with it.
        """
        family = str(values.get("model.family", self.model.family))
        tree = self.to_dict()
        if family_type(family) is not type(self.model):
            # Not a configuration yet: what both share may suit the new family only with the other keys.
            tree["model"] = _of_family(tree["model"], family)
            tree["objective"] = plain(of_all_levels(self.objective))
        if values.get("model.condition.kind") == "none" and "condition" in tree["model"]:
            tree["model"]["condition"] = {}
        for key, value in values.items():
            _put(tree, key, value)
        return RunConfig.from_dict(tree)


SECTIONS = hints(RunConfig)
"""The sections of a run and the type of each."""


def _section(name: str, value: Any) -> Any:
    if name != "model":
        return read(SECTIONS[name], {} if value is None else value, name)
    if not isinstance(value, Mapping) or "family" not in value:
        raise HvaeError(f"model.family is missing; expected one of {', '.join(FAMILIES)}")
    rest = {key: item for key, item in value.items() if key != "family"}
    return read(family_type(str(value["family"])), rest, name)


def _of_family(tree: JSON, family: str) -> JSON:
    """The keys of a model that another family shares, under the name of that family."""
    shared = [name for name in hints(ModelConfig) if name in tree and name not in family_type(family).unshared]
    return {"family": family, **{name: tree[name] for name in shared}}


def _put(tree: JSON, key: str, value: object) -> None:
    """Set one dotted key; a place on the way that holds no keys yet becomes one that does."""
    *path, last = key.split(".")
    if not path:
        raise HvaeError(f"expected a dotted key such as train.steps, got '{key}'; sections: {', '.join(SECTIONS)}")
    for name in path:
        below = tree.get(name)
        tree[name] = dict(below) if isinstance(below, Mapping) else {}
        tree = tree[name]
    tree[last] = value


class _Dumper(yaml.SafeDumper):
    """Lists on one line, sections on many."""


_Dumper.add_representer(list, lambda dumper, items: dumper.represent_sequence("tag:yaml.org,2002:seq", items, True))
