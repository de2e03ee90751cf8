"""What a person is told of warnings and faults that no code of ours could mend, and of those that it should."""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from hvae.cli import streams
from hvae.errors import HvaeError, HvaeWarning, short
from hvae.screen.text import for_lines, for_screen

_REFUSALS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG),
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
}
"""What the system refuses by reason of its files, disks and limits, which no code of ours could mend."""


def check_current_folder() -> None:
    """Raises HvaeError in a folder that has been deleted, where libraries would fail to find their own files."""
    try:
        os.getcwd()
    except OSError as fault:
        raise HvaeError(f"the current folder cannot be read: {fault.strerror}; change to another (cd)") from fault


def of_the_machine(fault: Exception) -> str:
    """What a person is told of a fault that lies in files, disks or memory; empty for all others."""
    if isinstance(fault, MemoryError) or (isinstance(fault, RuntimeError) and "allocate memory" in str(fault)):
        return "not enough memory; take fewer data at once, a smaller model, or a larger machine"
    if not isinstance(fault, OSError) or fault.errno not in _REFUSALS:
        return ""
    if fault.filename is None:
        streams.abandon_output()
        return f"could not write the output: {fault.strerror}"
    return f"{short(os.fspath(fault.filename))}: {fault.strerror}"


@contextmanager
def spoken_warnings() -> Iterator[None]:
    """Warnings of ours as one line each, without the place in our code; those of others as they are."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, HvaeWarning):
                print(for_screen(f"hvae: {' '.join(str(message).split())}"), file=sys.stderr)
            else:
                usual(message, category, *place, **more)

        warnings.showwarning = show
        warnings.simplefilter("always", HvaeWarning)
        yield


def show_fault(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
    """A traceback whose message cannot give orders to the terminal."""
    print(for_lines("".join(traceback.format_exception(kind, fault, trace))), file=sys.stderr, end="")
