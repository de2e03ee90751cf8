"""What fits into the memory of this machine: asked before memory is taken, so that a slip of the keyboard is a line.

Every estimate that is compared here is a lower bound: what is refused could never have run.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from hvae.errors import HvaeError

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")


def check_memory(needed: float, what: str, advice: str = "take less at once") -> None:
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
    """Bytes that this process may still take, swap included, by the system and by the limit of its container.

    None where neither says.

    >>> (free_memory() or 1) > 0
    True
    """
    return min((size for size in (_of_system(), _of_container()) if size is not None), default=None)


def _of_system() -> int | None:
    with suppress(OSError):
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        sizes = [_field(text, name, 1024) for name in ("MemAvailable:", "SwapFree:")]
        return sum(size or 0 for size in sizes) if sizes[0] is not None else None
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def _of_container(place: Path = Path("/sys/fs/cgroup")) -> int | None:
    with suppress(OSError, ValueError):  # no such limit, or the word "max"
        most, used = (int((place / name).read_text()) for name in ("memory.max", "memory.current"))
        # Cached files count as used and are given up on demand.
        cached = _field((place / "memory.stat").read_text(), "inactive_file", 1) or 0
        return max(0, most - used + cached)
    with suppress(OSError, ValueError):  # of the first version, which has the limit in another file
        return int((place / "memory/memory.limit_in_bytes").read_text())
    return None


def _field(text: str, name: str, unit: int) -> int | None:
    lines = (line.split() for line in text.splitlines())
    return next((int(words[1]) * unit for words in lines if words and words[0] == name), None)
