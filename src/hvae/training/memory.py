"""How much memory a run needed at its peak."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import torch

_SELF = Path("/proc/self")


class MemoryMeter:
    """Peak memory since it was made, in bytes above what was held before.

    On a GPU that is the allocator's own count; on the CPU the growth of the process, which only Linux tells (elsewhere
    the peak reads 0).
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        with suppress(OSError):
            (_SELF / "clear_refs").write_text("5")  # the kernel's peak starts again from what is held now
        self.before = _status("VmRSS")

    def peak(self) -> int:
        """Bytes at the peak."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        return max(0, _status("VmHWM") - self.before)


def _status(name: str) -> int:
    try:
        lines = (_SELF / "status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(name)), 0)
