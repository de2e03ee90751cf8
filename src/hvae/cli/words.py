"""The words of a command line: dotted keys apart from options, levels with commas, commands in lines that fit."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence

from hvae.errors import HvaeError, short

_WORD = r"-\S+ [^-\s\[]\S*|(?:\[(?:[^\[\]]|\[[^\[\]]*\])*\]|\S)+"
"""An option with its value, what stands in brackets, or a word."""


def folded(command: str, start: str, more: str = "", *, indent: int = 4) -> str:
    """A command line in lines that fit the screen, broken before options and arguments, never inside brackets.

    `start` begins each line, `more` ends those that are gone on with, and `indent` columns set these off.

    >>> print(folded("hvae decode RUN " + "[--levels L] " * 12, "").replace("[--levels L]", "[L]"))
    hvae decode RUN [L] [L] [L] [L] [L] [L] [L]
        [L] [L] [L] [L] [L]
    """
    words = re.findall(_WORD, command)
    lines, width = [""], screen_width() - len(start) - len(more) - indent
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += f"{' ' * bool(lines[-1])}{word}"
    return f"{more}\n{' ' * indent}".join(start + line for line in lines)


def level_words(words: Sequence[str]) -> list[str]:
    """Levels as they are typed, with commas or spaces between them.  Raises HvaeError for commas alone, which are none.

    >>> level_words(["z4,z3", "z1"])
    ['z4', 'z3', 'z1']
    """
    names = [name for word in words for name in word.split(",") if name]
    if words and not names:
        raise HvaeError(f"--levels: expected names with commas between them, as z4,z3, got {short(','.join(words))}")
    return names


def screen_width() -> int:
    """Columns of a line of help."""
    return min(max(shutil.get_terminal_size((110, 24)).columns - 2, 70), 118)


def split_dotted(argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Options with a dot in their name apart from the rest.

    >>> split_dotted(["digits", "--train.steps=5", "--model.latents", "8,4", "--json"])
    (['digits', '--json'], {'train.steps': '5', 'model.latents': '8,4'})
    """
    rest: list[str] = []
    dotted: dict[str, str] = {}
    tokens = iter(argv)
    for token in tokens:
        name, equals, value = token.partition("=")
        if not (name.startswith("--") and "." in name):
            rest.append(token)
            continue
        key = name.removeprefix("--")
        text = value if equals else next(tokens, None)
        if text is None or (not equals and text.startswith("--")):
            raise HvaeError(f"--{key} needs a value, as in --{key} VALUE")
        dotted[key] = text
    return rest, dotted


def wants_help(argv: Sequence[str]) -> bool:
    """Whether help is asked for: only then are the dotted keys worth the time of showing them."""
    return any(token in ("-h", "--help") for token in argv)
