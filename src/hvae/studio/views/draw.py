"""A grid of levels x pictures, drawn cell by cell."""

from __future__ import annotations

from hvae.records import JSON
from hvae.studio.answer import Answer
from hvae.studio.asked import DrawAsked
from hvae.studio.lines import call, command, context_words, equivalents, heat_words, python
from hvae.studio.opened import Opened


def draw(opened: Opened, query: DrawAsked) -> Answer:
    """The pictures, or with `each` those after each level, a row a level."""
    grid, context = opened.grid, opened.said(query.context)
    if query.each:
        pictures = grid.by_level(query.seeds, query.temperature, context, opened.rows, guidance=query.guidance)
    else:
        pictures = grid.draw(query.seeds, query.temperature, context, opened.rows, guidance=query.guidance)[None]
    return Answer(_equivalents(opened, query), {"grid": pictures})


def _equivalents(opened: Opened, query: DrawAsked) -> JSON:
    warm = {name: t for name, t in query.temperature.items() if t != 1}
    words = ["hvae", "sample", str(opened.run.folder)]
    for name, seeds in query.seeds.items():
        words += [f"--cells.{name}", ",".join(map(str, seeds))]
    cells = {name: list(seeds) for name, seeds in query.seeds.items()}
    context, closely = opened.spelled(query.context), None if query.guidance == 1 else query.guidance
    line = call("hvae.cells", ["run.model", "cells"], temperature=warm, context=context, guidance=closely)
    lines = [f"cells = {cells!r}", f"pictures = {line}"]
    guided = [] if closely is None else ["--guidance", f"{closely:g}"]
    return equivalents(
        command(*words, *heat_words(query.temperature), *context_words(query.context), *guided),
        python(opened.run.folder, *lines),
    )
