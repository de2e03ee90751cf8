"""Whose code may run: a file may name code, but only a user's word lets it run.

A run folder, a YAML file or an archive may come from a stranger.  What it names (a Python module, a file that holds a
program) is taken up only where the user has said that name, in the command (`--trust NAME`) or in the call.  A file
can never say it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from hvae.errors import HvaeError

FLAG = "--trust"
PROGRAMS = (".pt2", ".pt", ".ts")
"""Endings of files that can hold a program which torch runs."""
CODE = ("evaluate.features", "model.family")
"""The keys of a configuration whose values may name code."""


@dataclass(frozen=True)
class Trust:
    """The words of a user: top-level packages of Python, whole MODULE:NAMEs, and files that hold programs.

    >>> Trust(("mypackage",)).allows("mypackage.networks:Net"), Trust(("my",)).allows("mypackage.networks:Net")
    (True, False)
    >>> Trust(("./net.pt2",)).allows("net.pt2"), Trust().allows("os:abort")
    (True, False)
    """

    words: tuple[str, ...] = ()

    def allows(self, source: str) -> bool:
        """Whether the user has said this MODULE:NAME, its top-level package, or this file."""
        if source in self.words:
            return True
        if is_module(source):
            return _package(source) in self.words
        return _place(source) in {_place(word) for word in self.words}

    def check(self, source: str, key: str) -> None:
        """Raises HvaeError unless the user trusts this MODULE:NAME or file, which a file's `key` names."""
        if self.allows(source):
            return
        word = _package(source) if is_module(source) else source
        what = "would be imported" if is_module(source) else "can hold a program"
        raise HvaeError(
            f"{key}: a file names {_printed(source)}, which {what} and could do anything on this machine; if you know "
            f"where it comes from, add {FLAG} {_printed(word)}"
        )

    def also(self, words: Iterable[str]) -> Trust:
        """The same trust with more words."""
        return Trust((*self.words, *words))


NOBODY = Trust()
"""No word was given: nothing that a file names runs."""


def vouched(words: Iterable[str], overrides: Mapping[str, object]) -> Trust:
    """The modules a user trusts: the given ones, and those named by their own keys, never those named by a file.

    >>> vouched(["mypackage"], {"evaluate.features": "./net.pt2"}).words
    ('mypackage', './net.pt2')
    """
    return Trust((*words, *(str(overrides[key]) for key in CODE if overrides.get(key))))


_CURRENT: ContextVar[Trust] = ContextVar("trust", default=NOBODY)


def current() -> Trust:
    """The words that hold for the call at hand."""
    return _CURRENT.get()


@contextmanager
def trusting(*words: str) -> Iterator[Trust]:
    """Let what these words name run in here: for one command, or one call of a program.

    >>> with trusting("mypackage"):
    ...     current().allows("mypackage.models:MyConfig")
    True
    >>> current().allows("mypackage.models:MyConfig")
    False
    """
    token = _CURRENT.set(current().also(words))
    try:
        yield current()
    finally:
        _CURRENT.reset(token)


def is_module(source: str) -> bool:
    """Whether a text names an attribute of a Python module, MODULE:NAME.

    >>> is_module("mypackage.networks:Net"), is_module("C:/net.pt2"), is_module("net.pt2")
    (True, False, False)
    """
    module, colon, name = source.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), name))


def is_name(word: str) -> bool:
    """Whether a text can name code: a package of Python, MODULE:NAME, or a file of an ending that holds a program.

    >>> [is_name(word) for word in ("mypackage", "mypackage.networks:Net", "./net.pt2", "my package", "run/model")]
    [True, True, True, False, False]
    """
    return is_module(word) or word.isidentifier() or os.path.splitext(word)[1] in PROGRAMS


def attribute(source: str) -> Any:
    """What MODULE:NAME names; the import runs the module, so ask `Trust.check` first where a file names it.

    Raises HvaeError when the text is no MODULE:NAME, or there is none.

    >>> attribute("math:tau") > 6
    True
    """
    if not is_module(source):
        raise HvaeError(f"expected MODULE:NAME, such as mypackage.networks:Net, got '{_printed(source)}'")
    module, _, name = source.partition(":")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as fault:
        raise HvaeError(
            f"no {name} in the Python module {module}: there is no module {fault.name}; install its package, or name "
            "the folder that holds it in PYTHONPATH"
        ) from fault
    except Exception as fault:  # a module runs when it is imported, and can raise anything
        why = " ".join(str(fault).split())[:120] or type(fault).__name__
        raise HvaeError(f"no {name} in the Python module {module}: {why}") from fault


def _package(source: str) -> str:
    return source.partition(":")[0].partition(".")[0]


def _place(path: str) -> str:
    return os.path.abspath(path) if "\0" not in path else path


def _printed(text: str) -> str:
    return text.encode("unicode_escape").decode()[:200]
