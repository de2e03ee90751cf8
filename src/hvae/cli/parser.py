"""What every command's options share: help for newcomers, one-line errors, dotted keys.

Options come from the standard argparse; dotted keys are taken out before and read by `hvae.config.parse`, so that
`--model.latents 8,4` and a YAML file fail with the same words.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Annotated, Any, Literal, NoReturn, get_args, get_origin

from hvae.config.bounds import Bound
from hvae.config.parse import hints, plain, typed
from hvae.errors import HvaeError, unknown
from hvae.screen.text import for_lines
from hvae.trust import FLAG


class Parser(argparse.ArgumentParser):
    """A parser of one command: `about` it in a sentence or two, `examples`, and how it is called (`usage`)."""

    def __init__(self, command: str, about: str, examples: Sequence[str], usage: str = "[options]") -> None:
        shown = "\n".join(f"  {example}" for example in examples)
        super().__init__(
            prog=f"hvae {command}",
            usage=f"hvae {command} {usage}",
            description=f"{textwrap.fill(about, _width())}\n\nexample{'s' * (len(examples) > 1)}:\n{shown}",
            formatter_class=lambda prog: _Formatter(prog, max_help_position=34, width=_width()),
            allow_abbrev=False,
        )
        self.add_argument("--json", action="store_true", help="one JSON object on standard output, for programs")
        about_trust = "let this package of Python, or this .pt2, .pt or .ts file, run where a run folder or YAML file "
        about_trust += "names it: its code can do anything that you can; may be given again"
        self.add_argument(FLAG, action="append", default=[], metavar="NAME", help=about_trust)

    def format_help(self) -> str:
        """The help text; values of a file from elsewhere are part of it."""
        return for_lines(super().format_help())

    def error(self, message: str) -> NoReturn:
        """One line that names the nearest option."""
        prefix = "unrecognized arguments: "
        if message.startswith(prefix + "-"):
            wrong = message.removeprefix(prefix).split()[0].partition("=")[0]
            options = [option for action in self._actions for option in action.option_strings]
            raise unknown("option", wrong, options, f"{self.prog} --help")
        # argparse says "argument -n/--number: ...".
        option = re.match(r"argument (?:-\w/)?(--[\w.-]+)(?:/--[\w.-]+)*: ", message)
        raise HvaeError(f"{option[1]}: {message[option.end() :]}" if option else f"{message}; see {self.prog} --help")

    def _print_message(self, message: str, file: Any = None) -> None:
        # That of argparse drops what cannot be written.
        (file or sys.stderr).write(message)

    def parse_args(self, args: Sequence[str], namespace: None = None) -> argparse.Namespace:  # type: ignore[override]
        """The words of a command line.  Raises HvaeError for the first that is wrong, and for empty ones."""
        for before, word in zip(["", *args], args, strict=False):
            if not word or (word.startswith("--") and word.endswith("=")):
                place = word.rstrip("=") or (before if before.startswith("-") else "")
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


SEED = whole(0, 10**12)
"""The reader of a seed: the measures multiply it by a million, and torch takes 64 bits of the product."""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Each option with its default, where it has one to tell."""

    def _get_help_string(self, action: argparse.Action) -> str:
        silent = action.default in (None, False, "", [], argparse.SUPPRESS) or "%(default)" in (action.help or "")
        return (action.help or "") + ("" if silent else " [%(default)s]")


def _width() -> int:
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
        found = value if equals else next(tokens, None)
        if found is None or (not equals and found.startswith("--")):
            raise HvaeError(f"--{key} needs a value, as in --{key} VALUE")
        dotted[key] = found
    return rest, dotted


def add_keys(parser: Parser, sections: dict[str, Any]) -> None:
    """Show the dotted keys of some configurations in the help, with their types and values."""
    for section, config in sections.items():
        about = (inspect.getdoc(type(config)) or "").split("\n\n")[0].replace("\n", " ")
        _add(parser.add_argument_group(section, about), section, config)


def _add(group: Any, at: str, config: Any) -> None:
    types, words = hints(type(config)), docs(type(config))
    for name, kind in types.items():
        value = getattr(config, name)
        if is_dataclass(value):
            _add(group, f"{at}.{name}", value)
            continue
        about = f"{words.get(name, '')}{_unsaid(kind, words.get(name, ''))} {_shown(value)}"
        group.add_argument(
            f"--{at}.{name}", metavar=_metavar(kind), default=argparse.SUPPRESS, help=about.replace("%", "%%")
        )


_PLACEHOLDERS = {int: "N", float: "X", str: "TEXT", bool: "true|false", NoneType: "none"}


def _metavar(kind: Any) -> str:
    """What stands for a value: N a whole number, X a number, the choices themselves where they are few."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        choices = "|".join(map(str, args))
        return choices if len(choices) <= 18 else "NAME"
    if origin is tuple:
        return ",".join("..." if arg is ... else _metavar(arg) for arg in ((args[0], *args) if ... in args else args))
    if origin is dict:
        return f"LEVEL={_metavar(args[1])},..."
    # A whole number is a number: N|X says no more than X.
    options = [_metavar(arg) for arg in args if not (arg is int and float in args)]
    return "|".join(options) or _PLACEHOLDERS[kind]


def _unsaid(kind: Any, words: str) -> str:
    """The choices, where neither the placeholder nor the sentence tells them."""
    choices = [str(c) for c in get_args(kind)] if get_origin(kind) is Literal else []
    said = _metavar(kind) != "NAME" or all(choice in words for choice in choices)
    return "" if said else f" One of {', '.join(choices)}."


def _shown(value: Any) -> str:
    return f"[{_value(plain(value))}]" if value not in ("", ()) else ""


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ",".join(f"{key}={_value(item)}" for key, item in value.items())
    return ",".join(map(_value, value)) if isinstance(value, list) else str(value)


def docs(kind: type) -> dict[str, str]:
    """The sentence below each field of a dataclass, its bases included.

    >>> from hvae.config.model import LadderConfig
    >>> docs(LadderConfig)["width"]
    'Channels of the features.'
    """
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base is not object and is_dataclass(base):
            found |= _own_docs(base)
    return {f.name: found[f.name] for f in fields(kind) if f.name in found}


def _own_docs(kind: type) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        target, text = getattr(field, "target", None), getattr(getattr(below, "value", None), "value", None)
        if isinstance(field, ast.AnnAssign) and isinstance(target, ast.Name) and isinstance(text, str):
            found[target.id] = " ".join(text.split())
    return found


def wants_help(argv: Sequence[str]) -> bool:
    """Whether help is asked for: only then are the dotted keys worth the time of showing them."""
    return any(token in ("-h", "--help") for token in argv)
