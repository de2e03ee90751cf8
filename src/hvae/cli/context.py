"""--context NAME=VALUE: what a conditional model is asked under."""

from __future__ import annotations

from collections.abc import Sequence

from hvae.cli.parser import Parser
from hvae.errors import HvaeError


def add_context(parser: Parser) -> None:
    """Let a command be told under which context a conditional model is asked; `contexts` reads it."""
    about = "what a conditional model is asked under, as label=7 or label=cat: a number or a class of the run's data; "
    about += "again for each condition"
    parser.add_argument("--context", action="append", default=[], metavar="NAME=VALUE", help=about)


def contexts(words: Sequence[str]) -> dict[str, str]:
    """The values by name.  Raises HvaeError for a word without a name or value, and for a name that is given twice.

    >>> contexts(["label=7", "angle=0.5"])
    {'label': '7', 'angle': '0.5'}
    """
    values: dict[str, str] = {}
    for word in words:
        name, _, value = word.partition("=")
        if not (name and value):
            raise HvaeError(f"--context: expected NAME=VALUE, as in --context label=7, got {word}")
        if name in values:
            raise HvaeError(f"--context: {name} is given twice; name it once")
        values[name] = value
    return values
