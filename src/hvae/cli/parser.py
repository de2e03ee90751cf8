"""What every command's options share: help for newcomers, one-line errors, dotted keys.

Options come from the standard argparse; dotted keys are taken out before and read by `hvae.config.parse`, so that
`--model.latents 8,4` and a YAML file fail with the same words.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NoReturn

from hvae.cli.words import folded, screen_width
from hvae.config.bounds import Bound
from hvae.config.parse import typed
from hvae.errors import HvaeError, short, unknown
from hvae.screen.text import for_lines
from hvae.trust import FLAG, PROGRAMS, is_name

PLACES = ("-o", "--out")
"""Options whose value becomes a name of a file or folder."""


class Parser(argparse.ArgumentParser):
    """A parser of one command: `about` it in a sentence or two, `examples`, and how it is called (`usage`)."""

    def __init__(self, command: str, about: str, examples: Sequence[str], usage: str = "[options]") -> None:
        text = "\n".join(folded(example, "  ", " \\") for example in examples)
        super().__init__(
            prog=f"hvae {command}",
            usage=folded(f"hvae {command} {usage}", "", indent=len("usage: ")).replace("%", "%%"),
            description=f"{textwrap.fill(about, screen_width())}\n\nexample{'s' * (len(examples) > 1)}:\n{text}",
            formatter_class=lambda prog: _Formatter(prog, max_help_position=34, width=screen_width()),
            allow_abbrev=False,
        )
        self.add_argument("--json", action="store_true", help="one JSON object on standard output, for programs")
        about_trust = "let this package of Python, or this .pt2, .pt or .ts file, run where a run folder or YAML file "
        about_trust += "names it: its code can do anything that you can; may be given again"
        self.add_argument(FLAG, action="append", type=_code, default=[], metavar="NAME", help=about_trust)

    def filled(self, text: str) -> str:
        """A paragraph in lines that fit the screen."""
        return textwrap.fill(text, screen_width() - 2)

    def format_help(self) -> str:
        """The help text; values of a file from elsewhere are part of it."""
        return for_lines(super().format_help())

    def error(self, message: str) -> NoReturn:
        """One line that names the nearest option."""
        prefix = "unrecognized arguments: "
        if message.startswith(prefix + "-"):
            wrong = message.removeprefix(prefix).split()[0].partition("=")[0]
            options = [option for action in self._actions for option in action.option_strings]
            if wrong not in options:  # else it stands behind a --, where there are no options
                raise unknown("option", wrong, options, f"{self.prog} --help")
        # argparse says "argument -n/--number: ...".
        option = re.match(r"argument (?:-\w/)?(--[\w.-]+)(?:/--[\w.-]+)*: ", message)
        if not option:
            raise HvaeError(f"{message}; see {self.prog} --help")
        hint = f"; one that begins with a dash: {option[1]}=VALUE" if message.endswith(" argument") else ""
        raise HvaeError(f"{option[1]}: {message[option.end() :]}{hint}")

    def _print_message(self, message: str, file: Any = None) -> None:
        # That of argparse drops what cannot be written.
        (file or sys.stderr).write(message)

    def parse_args(self, args: Sequence[str], namespace: None = None) -> argparse.Namespace:  # type: ignore[override]
        """The words of a command line.  Raises HvaeError for the first that is wrong, and for empty ones."""
        for before, word in zip(["", *args], args, strict=False):
            is_blank = not word.strip() and before in PLACES
            if not word or is_blank or (word.startswith("--") and word.endswith("=")):
                place = word.strip().rstrip("=") or (before if before.startswith("-") else "")
                raise HvaeError(f"{place + ': ' if place else ''}expected a value, got an empty word")
        return super().parse_args(args, namespace)


def whole(least: int, most: int = 10**9) -> Callable[[str], int]:
    """The reader of a whole number within bounds, for the `type` of an option: `1e3` is 1000, as in a configuration.

    >>> whole(1)("0")
    Traceback (most recent call last):
    ...
    argparse.ArgumentTypeError: expected at least 1, got 0
    """
    return _reader(Annotated[int, Bound(least=least, most=most)])


def real(bound: Bound) -> Callable[[str], float]:
    """The reader of a finite number within bounds, for the `type` of an option."""
    return _reader(Annotated[float, bound])


def _reader(kind: Any) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return typed(kind, text, "")
        except HvaeError as fault:
            raise argparse.ArgumentTypeError(str(fault).removeprefix(": ")) from None

    return read


def _code(word: str) -> str:
    """The reader of a name of code: one that can name none lets nothing run, and was meant otherwise."""
    if not is_name(word):
        expected = f"a package of Python, MODULE:NAME, or a file that ends in {', '.join(PROGRAMS)}"
        raise argparse.ArgumentTypeError(f"expected {expected}, got {short(word)}")
    return word


SEED = whole(0, 10**12)
"""The reader of a seed: the measures multiply it by a million, and torch takes 64 bits of the product."""


def add_levels(parser: Parser, about: str) -> None:
    """Let a command be told some levels; `level_words` reads them."""
    parser.add_argument("--levels", nargs="+", default=[], metavar="L", help=f"{about}: z4,z3 or z4..z2")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Each option with its default, where it has one to tell."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        # A switch has no value to show, and some options end in words for theirs.
        silent = action.nargs == 0 or action.default in (None, "", [], argparse.SUPPRESS) or text.endswith("]")
        return text + ("" if silent else " [%(default)s]")
