"""The words of a command that let code run: `--trust NAME`, and code that an option names itself."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from hvae.trust import CODE, FLAG, Trust, vouched


def trusted(args: Namespace, dotted: Mapping[str, str]) -> Trust:
    """What the user vouches for: each NAME, and what options of the command name; a file's words are never in it."""
    return vouched(args.trust, dotted)


def said(words: Sequence[str]) -> tuple[str, ...]:
    """The same of the words of a command line, before any of them is read further.

    >>> said(["runs/mine", "--trust", "mypackage", "--model.family=other.models:Config", "--json"])
    ('mypackage', 'other.models:Config')
    """
    return tuple(_values(words, {FLAG, *(f"--{key}" for key in CODE)}))


def _values(words: Sequence[str], options: set[str]) -> Iterator[str]:
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        name, equals, value = word.partition("=")
        if name in options and (value if equals else following):
            yield value if equals else following
