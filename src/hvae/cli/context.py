"""--context NAME=VALUE: the values that a conditional model is conditioned on."""

from __future__ import annotations

from collections.abc import Sequence

from hvae.cli.parser import Parser
from hvae.errors import HvaeError


def add_context(parser: Parser) -> None:
    """Add the option that gives a conditional model its context; `contexts` reads it."""
    about = "the condition of a conditional model, as label=7 or label=cat: a number, or the name of a class of the "
    about += "run's data; give it once for each condition"
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
