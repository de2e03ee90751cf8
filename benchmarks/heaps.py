"""Each side of a comparison with the heap that its users have.

The commands of `hvae` keep what they free (`hvae.heap`).  Whoever runs published code has what glibc does by itself: it
gives back what lies free beyond a threshold, which grows to the 64 MB set here, its largest, so that the comparison
errs on the side of the published code.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

import torch

from hvae import heap

# The names and numbers of <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
_LARGEST = 32 << 20
"""The size from which glibc never serves a block from the heap."""


def usual() -> None:
    """What glibc does by itself, once its thresholds have grown."""
    try:
        libc = ctypes.CDLL(None)
        settings = {_M_TRIM_THRESHOLD: 2 * _LARGEST, _M_MMAP_THRESHOLD: _LARGEST, _M_MMAP_MAX: 65_536}
        for name, value in settings.items():
            libc.mallopt(name, value)
        libc.malloc_trim(0)
    except (OSError, TypeError, AttributeError):
        return


def seconds(work: Callable[[], object], *, ours: bool, device: torch.device | None = None) -> float:
    """One call, after one that is not timed: the other side had the heap before."""
    heap.keep() if ours else usual()
    work()
    _wait(device)
    start = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device | None) -> None:
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
