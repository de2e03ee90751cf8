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
    blocks: list[str] = []

    def block(match: re.Match[str]) -> str:
        blocks.append(f"\n{match[1]}.. math:: {' '.join(match[2].split())}\n")
        return f"\x00{len(blocks) - 1}\x00"

    def code(match: re.Match[str]) -> str:
        blocks.append(f"``{match[1]}``")
        return f"\x00{len(blocks) - 1}\x00"

    text = CODE.sub(code, BLOCK.sub(block, text))
    text = INLINE.sub(lambda match: f":math:`{match[1]}`", text)
    text = re.sub(r"([*|_])(?=\w|$)|(?<=\w)([*|])", lambda match: f"\\{match[0]}", _escaped(text))
    return re.sub("\x00(\\d+)\x00", lambda match: blocks[int(match[1])], text)


def _escaped(text: str) -> str:
    """Backslashes of prose doubled; those of equations are none of it."""
    parts = re.split(r"(:math:`[^`]+`)", text)
    return "".join(part if part.startswith(":math:") else part.replace("\\", "\\\\") for part in parts)


def process(app, what, name, obj, options, lines):
    lines[:] = converted("\n".join(lines)).split("\n")


def setup(app):
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True}
