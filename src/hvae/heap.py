"""The memory of this process: a lack of it is one line, and what a step has freed is kept for the next one.

The C library of Linux gives memory back to the system as soon as 64 MB of it lie free, and has to ask for it again in
the next step; each page then costs a fault, and is filled with zeros first.  Of a training step of the published VDVAE
on two cores that was 6 %.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

from hvae.errors import HvaeError

# The names and numbers of <malloc.h>.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
_NEVER, _NONE = -1, 0
_PICTURES = "for these pictures; take fewer at once, or a larger machine"


def keep() -> bool:
    """From now on this process keeps what it frees, up to its own peak; False where the C library has no such setting.

    The commands of `hvae` do so.  A library does not decide that for its host, so nothing else calls it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return False
    return all([mallopt(M_TRIM_THRESHOLD, _NEVER), mallopt(M_MMAP_MAX, _NONE)])


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
