"""A grid of levels x pictures, drawn cell by cell."""

from __future__ import annotations

from hvae.records import JSON
from hvae.studio.answer import Answer
from hvae.studio.asked import DrawAsked
from hvae.studio.lines import call, command, context_words, equivalents, heat_words, python
from hvae.studio.opened import Opened


def draw(opened: Opened, asked: DrawAsked) -> Answer:
    """The pictures, or with `each` those after each level, a row a level."""
    grid, context = opened.grid, opened.said(asked.context)
    if asked.each:
        pictures = grid.by_level(asked.seeds, asked.temperature, context, opened.rows)
    else:
        pictures = grid.draw(asked.seeds, asked.temperature, context, opened.rows)[None]
    return Answer(_equivalents(opened, asked), {"grid": pictures})


def _equivalents(opened: Opened, asked: DrawAsked) -> JSON:
    warm = {name: t for name, t in asked.temperature.items() if t != 1}
    words = ["hvae", "sample", str(opened.run.folder)]
    for name, seeds in asked.seeds.items():
        words += [f"--cells.{name}", ",".join(map(str, seeds))]
    cells = {name: list(seeds) for name, seeds in asked.seeds.items()}
    context = opened.said(asked.context)
    lines = [
        f"cells = {cells!r}",
        f"pictures = {call('hvae.cells', ['run.model', 'cells'], temperature=warm, context=context)}",
    ]
    return equivalents(
        command(*words, *heat_words(asked.temperature), *context_words(asked.context)),
        python(opened.run.folder, *lines),
    )
