"""Which measures there are, read from their files without running them.  No torch here: `--help` stays quick.

A measure is a class in a file of `hvae/study/measures/`.  Its name, its cost and one line about it are constants of
that class, which its syntax tree shows; importing all of them takes seconds, reading them a hundredth of one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from hvae.config.bounds import Choices, Length
from hvae.errors import HvaeError, short

FOLDER = Path(__file__).parents[1] / "study" / "measures"
BASE = "Measure"
_NEEDED = ("name", "about", "cost")
LAST = 1000
"""The place of a measure that names none."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What a measure says of itself: its `name`, what it is `about`, its `cost`, its `place`; its class in its module.

    >>> measures()["activity"].module, measures()["activity"].cost
    ('activity', 'quick')
    """

    name: str
    about: str
    cost: str
    place: int = LAST
    module: str
    kind: str


@cache
def measures() -> Mapping[str, Declaration]:
    """Every measure by its name, in the order in which they are taken and shown: quick ones first, then by place.

    Raises HvaeError for a file whose measure does not say what it must, and for two of one name.

    >>> list(measures())[:2], list(measures())[-1]
    (['likelihood', 'activity'], 'disentanglement')
    """
    listed = [one for path in sorted(FOLDER.glob("*.py")) for one in declarations(path)]
    listed.sort(key=lambda one: (one.cost != "quick", one.place, one.name))
    table = {one.name: one for one in listed}
    if len(table) < len(listed):
        first = next(one for one in listed if table[one.name] is not one)
        files = f"{first.module}.py and {table[first.name].module}.py"
        raise HvaeError(f"two measures are named {first.name}: {files} in {FOLDER}; rename one")
    return table


def quick() -> tuple[str, ...]:
    """The names of those that are taken unless others are asked for."""
    return tuple(name for name, one in measures().items() if one.cost == "quick")


def groups() -> Mapping[str, tuple[str, ...]]:
    """Names of several measures: of these, what a model or its data do not allow is left out, with a word."""
    return {"quick": quick(), "all": tuple(measures())}


Measures = Annotated[tuple[str, ...], Length(0, 100), Choices("measure", groups, measures, "hvae evaluate --help")]
"""Names of measures or of groups, one at least."""


def declarations(path: Path) -> Iterator[Declaration]:
    """The measures that a file defines, one as a rule.  Raises HvaeError where one lacks its constants."""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError) as fault:
        raise HvaeError(f"no measure can be read from {path}: {fault}") from None
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(_name(base) == BASE for base in node.bases):
            yield _declaration(node, path)


def _declaration(node: ast.ClassDef, path: Path) -> Declaration:
    constants = dict(_constants(node))
    for key in _NEEDED:
        if not isinstance(constants.get(key), str):
            raise HvaeError(f"{path}: class {node.name}: expected a constant {key}, as every measure has")
    cost, place = constants["cost"], constants.get("place", LAST)
    if cost not in ("quick", "costly"):
        raise HvaeError(f"{path}: class {node.name}: expected cost to be quick or costly, got {short(cost)}")
    if not isinstance(place, int):
        raise HvaeError(f"{path}: class {node.name}: expected place to be a whole number, got {short(place)}")
    texts = {key: str(constants[key]) for key in _NEEDED}
    return Declaration(**texts, place=place, module=path.stem, kind=node.name)


def _name(base: ast.expr) -> str:
    """Measure, Measure[R] and study.Measure[R] are all `Measure`."""
    inner = base.value if isinstance(base, ast.Subscript) else base
    return getattr(inner, "attr", getattr(inner, "id", ""))


def _constants(node: ast.ClassDef) -> Iterator[tuple[str, object]]:
    """The names that the body of a class gives constants, with or without a type."""
    for line in node.body:
        match line:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value)):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=value)):
                yield name, value
