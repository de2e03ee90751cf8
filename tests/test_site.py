"""The documentation site: docstrings as it reads them, a word on every family, and a build without warnings."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from hvae.config.families import FAMILIES

SITE = Path(__file__).parents[1] / "site"
LOADS = re.compile(r"<(?:script|link|img|iframe|source|object)\b[^>]*\s(?:src|href|data)=[\"'](?:https?:)?//")
"""What a page takes from another host when it is shown; a link that is clicked is none."""
LIBRARIES = ("sphinx", "myst_nb", "furo", "sphinx_design", "latex2mathml")


def part(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SITE / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("markdown", "rest"),
    [
        ("The mean of `x`.", "The mean of ``x``."),
        ("An angle $\\alpha_t$ here.", "An angle :math:`\\alpha_t` here."),
        ("$$a\n  = b$$", "\n.. math:: a = b\n"),
        ("A sum.\n\n>>> f(`x`)\n'`y`'\n", "A sum.\n\n>>> f(`x`)\n'`y`'\n"),
    ],
)
def test_docstrings_become_what_sphinx_reads(markdown: str, rest: str) -> None:
    assert part("markdown_docstrings").converted(markdown) == rest


def test_every_family_says_when_to_use_it_what_it_costs_and_what_was_measured() -> None:
    notes = yaml.safe_load((SITE / "families.yaml").read_text())
    own = {name for name, kind in FAMILIES.items() if isinstance(kind.builder, str)}
    assert set(notes) == own
    assert all(list(note) == ["when", "cost", "measured", "limits"] for note in notes.values())


def test_cards_lead_to_pages() -> None:
    links = re.findall(r":link: (\S+)", (SITE / "start" / "index.md").read_text())
    made = re.compile(r"(families|commands)/|gallery$")
    places = (SITE.parent, SITE)
    missing = [link for link in links if not made.match(link) and not any((p / f"{link}.md").is_file() for p in places)]
    assert not missing


@pytest.mark.slow
@pytest.mark.skipif(not all(map(importlib.util.find_spec, LIBRARIES)), reason="needs the extra docs")
def test_it_builds_without_a_warning_and_asks_no_other_host() -> None:
    done = subprocess.run([sys.executable, SITE / "build.py", "--still"], capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list((SITE.parent / "build" / "docs").rglob("*.html"))
    assert len(pages) > 50 and not [page for page in pages if LOADS.search(page.read_text())]
