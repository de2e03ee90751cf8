"""The import rule: which room of the house may know which.  docs/architecture.md draws the same table."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "hvae"
GROUND = {
    "__version__",
    "caches",
    "capacity",
    "compiled",
    "condition",
    "counts",
    "datum",
    "descriptions",
    "errors",
    "files",
    "heap",
    "lazy",
    "modules",
    "picturefiles",
    "picturefolders",
    "pretrained",
    "processor",
    "range",
    "records",
    "screen",
    "seeds",
    "threads",
    "trust",
    "weights",
}
HALL = {"site", "draw", "evidence", "trace", "checks", "walk", "engine", "distributions"}
ROOF = {"__main__", "cli", "inspection", "__init__"}
READERS = {"objectives", "metrics", "explore", "restoration", "coding", "deploy"}

# Each room may import the ground floor, itself, and the rooms named here.
ALLOWED: dict[str, set[str]] = {
    "caches": set(),
    "capacity": set(),
    "compiled": set(),
    "condition": set(),
    "counts": set(),
    "datum": set(),
    "descriptions": set(),
    "errors": set(),
    "files": set(),
    "heap": set(),
    "records": set(),
    "lazy": set(),
    "modules": set(),
    "trust": set(),
    "screen": set(),
    "range": set(),
    "processor": set(),
    "seeds": set(),
    "threads": set(),
    "picturefiles": set(),
    "picturefolders": set(),
    "pretrained": set(),
    "weights": set(),
    "config": set(),
    "distributions": set(),
    "nn": set(),
    "data": {"config"},
    "site": {"distributions"},
    "draw": {"distributions", "site"},
    "evidence": {"distributions", "site"},
    "trace": {"distributions", "site"},
    "checks": {"distributions", "site", "draw", "evidence", "trace"},
    "walk": {"distributions", "site", "draw", "evidence", "trace", "checks"},
    "engine": {"distributions", "site", "draw", "evidence", "trace", "checks", "walk"},
    "refine": {*HALL},
    "particles": {*HALL},
    "levels": {"nn", "distributions", "site"},
    "models": {"levels", "nn", *HALL},
    "zoo": {"models", "levels", "nn", "config", *HALL},
    "objectives": {"config", "particles", *HALL},
    "metrics": {"config", "refine", "particles", *HALL},
    "explore": {"config", *HALL},
    "restoration": {"refine", *HALL},
    "coding": {*HALL},
    "deploy": {*HALL},
    "runs": {"config", "data", "checkpoints", "metrics", *HALL},
    "training": {"objectives", "metrics", "data", "runs", "config", *HALL},
    "checkpoints": {"zoo", "config", *HALL},
}
ALLOWED["reporting"] = {"explore", *HALL}  # pages and pictures of what they are handed
ALLOWED["study"] = {*ALLOWED, "inspection"}  # everything but the commands and the studio
ALLOWED["studio"] = {"study", *ALLOWED["study"]}  # a page that shows it while it happens; only the commands know it


def room(module: str) -> str:
    """hvae.levels.prior -> levels; hvae -> __init__."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(path: Path) -> set[str]:
    """The rooms a file imports, relative imports and imports inside functions included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {room(a.name) for a in node.names if a.name.split(".")[0] == "hvae"}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write absolute imports, so that this test can read them"
            if node.module == "hvae":
                found |= {a.name for a in node.names}
            elif (node.module or "").startswith("hvae."):
                found.add(room(node.module))
    return found


def modules(path: Path) -> set[str]:
    """The modules that a file names after `from`."""
    return {node.module or "" for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_import_rule(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own in ROOF:
        return
    forbidden = imports(path) - ALLOWED[own] - GROUND - {own}
    assert not forbidden, f"{path.name} in {own}/ may not import {sorted(forbidden)}: see the table in test_house.py"


CODING = {  # what each folder of coding/ may import of the others
    "entropy": set(),
    "files": {"entropy"},
    "lossless": {"entropy", "files"},
    "lossy": {"entropy", "files"},
}


@pytest.mark.parametrize("folder", CODING)
def test_the_two_codecs_share_bits_and_files_only(folder: str) -> None:
    for path in (PACKAGE / "coding" / folder).glob("*.py"):
        rooms = {name.split(".")[2] for name in modules(path) if name.startswith("hvae.coding.")}
        assert rooms <= CODING[folder] | {folder}, f"{folder}/{path.name}: see the folders of coding/ above"


def test_every_room_is_in_the_table() -> None:
    rooms = {p.name.removesuffix(".py") for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert rooms <= set(ALLOWED) | ROOF, f"rooms without a rule: {rooms - set(ALLOWED) - ROOF}"


WING = ("study", "studio", "reporting", "runs", "metrics", "cli")


@pytest.mark.parametrize("own", WING)
def test_no_open_dict_passes_between_the_rooms_of_the_study(own: str) -> None:
    # What is read from a file or printed for a program is `records.JSON`, and new values of keys are `Overrides`.
    open_dict = re.compile(r"\b(dict|Mapping)\[str, Any\]")
    places = [
        f"{path.relative_to(PACKAGE)}:{number}"
        for path in (PACKAGE / own).rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if open_dict.search(line)
    ]
    assert not places, f"expected a named type in place of a dict of anything: {', '.join(places)}"


MOST_LINES = {"cli": 150}
"""Of a file in a room; of any other 270: a file of two subjects is two files."""


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_has_one_subject_and_few_lines(path: Path) -> None:
    most = MOST_LINES.get(path.relative_to(PACKAGE).parts[0], 270)
    lines = len(path.read_text().splitlines())
    assert lines <= most, f"expected at most {most} lines, got {lines}: take out what has a subject of its own"


PARTICIPLES = {
    *("found", "told", "made", "known", "kept", "drawn", "asked", "brought", "chosen", "given", "heard"),
    *("held", "named", "said", "seen", "shown", "wanted"),
}
PUBLIC = {("sample", "given"), ("traverse", "held"), ("held_out", "seen")}
"""Parameters of functions that a user calls with them by name."""


ROOT = PACKAGE.parents[1]
NAMED = [
    *FILES,
    *(path for folder in ("examples", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))),
    *(path for path in sorted((ROOT / "tests").rglob("*.py")) if not path.name.startswith("test_")),
]
"""The package, the programs beside it, and the helpers of the tests."""


@pytest.mark.parametrize("path", NAMED, ids=lambda p: str(p.relative_to(ROOT)))
def test_values_are_named_for_what_they_are(path: Path) -> None:
    # Of functions: fields of records are what a user knows already.
    functions = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))
    names = {
        f"{word} (line {node.lineno})"
        for function in functions
        for node in ast.walk(function)
        if (word := node.id if isinstance(node, ast.Name) else node.arg if isinstance(node, ast.arg) else "")
        in PARTICIPLES
        and not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
        and (function.name, word) not in PUBLIC
    }
    assert not names, f"expected nouns, such as record, samples or is_known, got {', '.join(sorted(names))}"


def test_shares_are_written_in_one_way() -> None:
    # 50 % on a screen comes from `share` and `percent`, and never as 50% beside it.
    formatted = re.compile(r":\.\d+%|[fg]\}%")
    lines = ((path.name, line.strip()) for path in FILES for line in path.read_text().splitlines())
    assert not [f"{name}: {line}" for name, line in lines if formatted.search(line)]


def test_builders_and_readers_never_meet() -> None:
    builders = {"zoo", "models", "levels", "nn"}
    for reader in READERS:
        assert not ALLOWED[reader] & builders
        assert not ALLOWED[reader] & (READERS - {reader})


def test_config_is_torch_free() -> None:
    for path in [
        *(PACKAGE / "config").glob("*.py"),
        *(PACKAGE / "screen").glob("*.py"),
        PACKAGE / "errors.py",
        PACKAGE / "files.py",
    ]:
        heavy = {"torch", "numpy", "lightning"}
        names = {
            a.name.split(".")[0]
            for n in ast.walk(ast.parse(path.read_text()))
            if isinstance(n, ast.Import)
            for a in n.names
        }
        froms = {
            (n.module or "").split(".")[0]
            for n in ast.walk(ast.parse(path.read_text()))
            if isinstance(n, ast.ImportFrom)
        }
        assert not (names | froms) & heavy, f"{path} imports {heavy & (names | froms)}"
