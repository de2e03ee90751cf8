"""What fits into the memory of this machine: asked before memory is taken, so that a slip of the keyboard is a line.

Every estimate that is compared here is a lower bound: what is refused could never have run.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from hvae.errors import HvaeError

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")


def check_memory(needed: float, what: str, advice: str) -> None:
    """Raises HvaeError if `what` takes more bytes than this process can have.

    >>> check_memory(1e18, "a batch of 10^12 images", "set train.batch lower")
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: a batch of 10^12 images takes at least 1 EB of memory, and ... are free; set train.batch ...
    """
    free = free_memory()
    if free is not None and needed > free:
        raise HvaeError(f"{what} takes at least {in_units(needed)} of memory, and {in_units(free)} are free; {advice}")


def in_units(size: float) -> str:
    """Bytes as people say them.

    >>> in_units(1_500), in_units(31_360_000_000), in_units(4e23)
    ('1.5 kB', '31.4 GB', '400,000 EB')
    """
    for unit in _UNITS[:-1]:
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} {_UNITS[-1]}" if size < 999.5 else f"{size:,.0f} {_UNITS[-1]}"


def free_memory() -> int | None:
    """Bytes that this process can still take, swap included; None where the system does not tell."""
    bounds = [bound for bound in (_system(), _group()) if bound is not None]
    return min(bounds, default=None)


def _system() -> int | None:
    with suppress(OSError, ValueError, IndexError):
        lines = (line.split() for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
        sizes = {words[0]: 1024 * int(words[1]) for words in lines}
        return sizes["MemAvailable:"] + sizes["SwapFree:"]
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def _group() -> int | None:
    """What the control group of a container may have in all, where there is a limit."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            return int((Path("/sys/fs/cgroup") / name).read_text(encoding="ascii"))
    return None
