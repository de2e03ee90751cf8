"""README and docs run: every fenced Python block, in order, each file in one namespace."""

from __future__ import annotations

import ast
import re
import runpy
import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_examples_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # Dataclasses look for the module that they are of.
    module = ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", module)
    namespace = vars(module)
    for block in BLOCK.findall(path.read_text()):
        exec(compile(block, str(path), "exec"), namespace)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_links_lead_somewhere(path: Path) -> None:
    dead = [link for link in LINK.findall(path.read_text()) if not (path.parent / link).exists()]
    assert not dead


def anchors(path: Path) -> set[str]:
    """Of the headings of a page, as GitHub makes them."""
    return {anchor(heading) for heading in re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)}


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_links_into_pages_lead_to_a_heading(path: Path) -> None:
    links = re.findall(r"\]\(((?:[^):]*\.md)?)#([^)]+)\)", path.read_text())
    pages = [(path.parent / page if page else path, name) for page, name in links]
    assert not [f"{page.name}#{name}" for page, name in pages if name not in anchors(page)]


SUMMARY = re.compile(r"^\| \[[^]]+\]\(#([^)]+)\) \|(.*)$", re.MULTILINE)
NUMBER = re.compile(r"\d+\.\d+")


def sections(page: str) -> dict[str, str]:
    """The text of each heading with those below it, by its anchor."""
    headings = list(re.finditer(r"^(#+) (.*)$", page, re.MULTILINE))
    return {anchor(one[2]): page[one.end() : end(one, headings, len(page))] for one in headings}


def end(heading: re.Match[str], headings: list[re.Match[str]], length: int) -> int:
    """Where the next heading of its rank or a higher one begins."""
    nexts = (one.start() for one in headings if one.start() > heading.start() and len(one[1]) <= len(heading[1]))
    return next(nexts, length)


def test_the_page_of_numbers_repeats_its_sections() -> None:
    """Every number with decimals of the summary of RESULTS.md stands in the section that its line links to."""
    page = (ROOT / "docs/RESULTS.md").read_text()
    parts = sections(page)
    lines = SUMMARY.findall(parts["in-one-page"])
    assert len(lines) > 20
    numbers = {(link, number) for link, line in lines for number in NUMBER.findall(line)}
    assert not [(link, number) for link, number in numbers if number not in NUMBER.findall(parts[link])]


def test_the_documents_that_contributors_need_exist() -> None:
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "LICENSE", "docs/architecture.md"):
        assert (ROOT / name).is_file()


PROGRAMS = sorted(path for folder in ("examples", "benchmarks") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_programs_import_what_there_is(path: Path) -> None:
    """Examples and benchmarks are run by hand: names of ours that have moved are seen here."""
    imports = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    ours = [(node.module, alias.name) for node in imports for alias in node.names if is_ours(node.module)]
    assert not [f"{module}.{name}" for module, name in ours if not exists(str(module), name)]


def is_ours(module: str | None) -> bool:
    return str(module).partition(".")[0] == "hvae"


def exists(module: str, name: str) -> bool:
    # Names that are loaded at first use are not in dir(), and a module is no attribute before its import.
    with suppress(ModuleNotFoundError):
        return getattr(import_module(module), name, None) is not None or bool(find_spec(f"{module}.{name}"))
    return False


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name)
def test_examples_explain_themselves(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_path(str(path), run_name="__main__")
    assert f"python examples/{path.name}" in capsys.readouterr().out
