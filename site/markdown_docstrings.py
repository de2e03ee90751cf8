"""Docstrings in Markdown, `code` and $equations$, as the reStructuredText that autodoc reads."""

import re

CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
INLINE = re.compile(r"(?<![$\\])\$([^$\n]+)\$(?!\$)")
BLOCK = re.compile(r"^([ \t]*)\$\$(.+?)\$\$", re.DOTALL | re.MULTILINE)


def converted(text: str) -> str:
    """One docstring.  Examples stay as they are.

    >>> converted("The mean of `x`, $z$.")
    'The mean of ``x``, :math:`z`.'
    """
    parts = re.split(r"(^[ \t]*>>>.*?(?:\n[ \t]*\n|\Z))", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if part.lstrip().startswith(">>>") else _prose(part) for part in parts)


def _prose(text: str) -> str:
    kept: list[str] = []

    def keep(rest: str) -> str:
        kept.append(rest)
        return f"\x00{len(kept) - 1}\x00"

    text = BLOCK.sub(lambda block: keep(f"\n{block[1]}.. math:: {' '.join(block[2].split())}\n"), text)
    text = CODE.sub(lambda code: keep(f"``{code[1]}``"), text)
    text = INLINE.sub(lambda equation: keep(f":math:`{equation[1]}`"), text)
    # Stars and bars of prose would begin emphasis and substitutions.
    text = re.sub(r"[\\*|]|_(?=\W|$)", lambda mark: f"\\{mark[0]}", text)
    return re.sub("\x00(\\d+)\x00", lambda place: kept[int(place[1])], text)


def process(app, what, name, obj, options, lines):
    lines[:] = converted("\n".join(lines)).split("\n")


def setup(app):
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True}
