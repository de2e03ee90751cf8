"""The words of a command that let code run: `--trust NAME`, and code that an option names itself."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping

from hvae.cli.parser import Parser
from hvae.trust import FLAG, Trust

CODE = ("evaluate.features",)
"""The keys whose values may name code."""


def add_trust(parser: Parser) -> None:
    """Let the user say whose code may run."""
    about = "let this package of Python, or this .pt2, .pt or .ts file, run where a run folder or YAML file names it: "
    about += "its code can do anything that you can; may be given again"
    parser.add_argument(FLAG, action="append", default=[], metavar="NAME", help=about)


def trusted(args: Namespace, dotted: Mapping[str, str]) -> Trust:
    """What the user vouches for: each NAME, and what options of the command name; a file's words are never in it."""
    return Trust((*args.trust, *(dotted[key] for key in CODE if dotted.get(key))))
