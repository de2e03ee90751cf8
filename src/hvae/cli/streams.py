"""The standard streams of a command: closed, full, gone or of another encoding, they never end it with a traceback."""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import suppress


def prepare() -> None:
    """Make the streams of this process safe to write to; called once, before anything else.

    What an encoding lacks is escaped.  Messages that cannot be written are left out: they are worth less than the work.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        _reopen(number, name)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = _Forgiving(sys.stderr.detach(), sys.stderr.encoding, "backslashreplace", line_buffering=True)


def listen() -> None:
    """Let a request to end (SIGTERM, and SIGHUP of a terminal that was closed) undo what is half done, as Ctrl-C does.

    The second one ends the process at once; so does the first in processes that this one starts, and one that is
    ignored, as under nohup, stays ignored.
    """
    ours = os.getpid()

    def stop(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() != ours:
            os.kill(os.getpid(), number)
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, stop)


def _reopen(number: int, name: str) -> None:
    """A closed stream leads nowhere from now on; else the next file that is opened would take its number."""
    try:
        os.fstat(number)
    except OSError:
        os.open(os.devnull, os.O_RDWR)
    if getattr(sys, name) is None:
        setattr(sys, name, open(number, "r" if name == "stdin" else "w", encoding="utf-8", closefd=False))  # noqa: SIM115


class _Forgiving(io.TextIOWrapper):
    """A text stream that drops what it cannot write."""

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            super().flush()


def abandon_output() -> None:
    """Lead standard output nowhere: what is left in its buffer must not fail again when the process ends."""
    with suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
