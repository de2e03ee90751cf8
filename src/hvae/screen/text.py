"""Text from outside (file names, headers of files, class names), fit for a screen, a page or a table.

A name may hold anything but a slash: orders to the terminal, marks that turn the direction of writing, bytes that are
no text, line ends, formulas that a spreadsheet runs.  JSON needs none of this: it escapes by itself, and loses nothing.
"""

from __future__ import annotations

import re
import unicodedata

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Kinds of characters that work unseen: control, format, surrogate, ends of lines and of paragraphs."""

_FORMULA = "=+\\-@\uff1d\uff0b\uff0d\uff20"
"""What begins a formula, half and full width: a spreadsheet runs it, wherever it takes the cell to begin."""
_RUNS = re.compile(rf"(^\s*|[;,\"]\s*)([{_FORMULA}])")


def for_screen(text: object) -> str:
    r"""One line that every terminal and page can show: what is not seen is written as its code.

    Not reversible, since a backslash stays as it is: for eyes, not for programs.

    >>> print(for_screen("a\x1b[2Jb\u202egnp.exe\nc\udcff d"))
    a\x1b[2Jb\u202egnp.exe\nc\udcff d
    """
    line = str(text)
    return line if line.isprintable() else "".join(map(_seen, line))


def for_lines(text: object) -> str:
    r"""The same for text of several lines, which stay lines.

    >>> print(for_lines("first\nsecond\x07"))
    first
    second\x07
    """
    return "\n".join(map(for_screen, str(text).split("\n")))


def for_cell(text: str) -> str:
    r"""Text as a cell of a CSV file that no spreadsheet takes for a formula; `from_cell` gives the text back.

    Text that is safe stays as it is.  Any other begins with an apostrophe, and in it backslashes are doubled and what
    is not seen, or begins a formula behind a separator, is written as its code: the file is UTF-8 whatever the name.

    >>> for name in ("a.png", "=cmd|' /C calc'!A0", "+1.png", "'quoted'.png", "x;=1+1", "a\udcff\\b"):
    ...     print(for_cell(name))
    a.png
    '=cmd|' /C calc'!A0
    '+1.png
    ''quoted'.png
    'x;\x3d1+1
    'a\udcff\\b
    """
    is_plain = for_screen(text) == text
    if is_plain and not text.startswith("'") and not _RUNS.search(text):
        return text
    return "'" + _RUNS.sub(_spelt, for_screen(text.replace("\\", "\\\\")))


def from_cell(cell: str) -> str:
    """The text of a cell of `for_cell`.

    >>> all(from_cell(for_cell(name)) == name for name in ("a.png", "=1", "'a", "x;=1", "a\\udcff\\\\b", "\\\\x41"))
    True
    >>> from_cell("'\\\\Uffffffff")  # no character
    '\\\\Uffffffff'
    """
    return re.sub(_CODE, _read, cell[1:]) if cell.startswith("'") else cell


def is_seen(character: str) -> bool:
    """Whether a character is a sign that stands where it is written, and nothing that works unseen."""
    return unicodedata.category(character) not in _UNSEEN


_CODE = re.compile(r"\\(?:([\\])|([ntr])|x([0-9a-f]{2})|u([0-9a-f]{4})|U(00(?:0[0-9a-f]|10)[0-9a-f]{4}))")


def _seen(character: str) -> str:
    return character if is_seen(character) else character.encode("unicode_escape").decode("ascii")


def _spelt(match: re.Match[str]) -> str:
    before, sign = match.groups()
    # At the very beginning the apostrophe is enough, and the text can still be read.
    return before + (_code(sign) if before.strip() else sign)


def _code(character: str) -> str:
    return f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}"


def _read(match: re.Match[str]) -> str:
    slash, letter, *codes = match.groups()
    if slash or letter:
        return slash or {"n": "\n", "t": "\t", "r": "\r"}[letter]
    return chr(int(next(code for code in codes if code), 16))
