"""The memory of this process: what there is of it, and that what a step has freed is kept for the next one.

The C library of Linux gives memory back to the system as soon as 64 MB of it lie free, and has to ask for it again in
the next step; each page then costs a fault, and is filled with zeros first.  Of a training step of the published VDVAE
on two cores that was 6 %.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hvae.errors import HvaeError

# The names and numbers of <malloc.h>.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
_NEVER, _NONE = -1, 0
_PICTURES = "for these pictures; take fewer at once, or a larger machine"


def keep() -> bool:
    """From now on this process keeps what it frees, up to its own peak; False where the C library knows no such thing.

    The commands of `hvae` do so.  A library does not decide that for its host, so nothing else calls it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return False
    return all([mallopt(M_TRIM_THRESHOLD, _NEVER), mallopt(M_MMAP_MAX, _NONE)])


def check_memory(size: int, what: str) -> None:
    """Raises HvaeError when `size` bytes for `what` are more than this machine has left, before any is taken."""
    there = available()
    if there is not None and size > there:
        raise HvaeError(f"{what}: needs {size:,} bytes of memory and {there:,} are available; take less at once")


def available() -> int | None:
    """Bytes that this process may still take, by the system and by the limit of its container; None where neither says.

    >>> (available() or 1) > 0
    True
    """
    return min((size for size in (_of_system(), _of_container()) if size is not None), default=None)


def _of_system() -> int | None:
    with suppress(OSError):
        return _field(Path("/proc/meminfo").read_text(), "MemAvailable:", 1024)
    return None


def _of_container(place: Path = Path("/sys/fs/cgroup")) -> int | None:
    with suppress(OSError, ValueError):  # no such limit, or the word "max"
        most, used = (int((place / name).read_text()) for name in ("memory.max", "memory.current"))
        # Cached files count as used and are given up on demand.
        cached = _field((place / "memory.stat").read_text(), "inactive_file", 1) or 0
        return max(0, most - used + cached)
    return None


def _field(text: str, name: str, unit: int) -> int | None:
    lines = (line.split() for line in text.splitlines())
    return next((int(words[1]) * unit for words in lines if words and words[0] == name), None)


@contextmanager
def enough_memory(purpose: str = _PICTURES) -> Iterator[None]:
    """Turn a lack of memory, of the machine or of its accelerator, into an HvaeError: "not enough memory PURPOSE".

    >>> with enough_memory("for 8 images; take fewer"):
    ...     raise MemoryError
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: not enough memory for 8 images; take fewer
    """
    try:
        yield
    except (MemoryError, RuntimeError) as fault:
        # torch has no class of its own for the machine's memory; that for the accelerator's is a RuntimeError too.
        if isinstance(fault, RuntimeError) and not any(
            part in str(fault) for part in ("allocate memory", "out of memory")
        ):
            raise
        raise HvaeError(f"not enough memory {purpose}") from fault
