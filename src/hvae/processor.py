"""What the processor of this machine says of itself."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")


def facts(name: str) -> list[str]:
    """The words behind a name, of the first core; none where the system does not tell."""
    try:
        lines = CPUINFO.read_text(errors="replace").splitlines()
    except OSError:
        return []
    return next((line.partition(":")[2].split() for line in lines if line.partition(":")[0].strip() == name), [])


@cache
def prefers_onednn() -> bool:
    """Whether single-precision products of matrices are quicker by oneDNN than by the library that PyTorch takes.

    MKL uses the instructions of AVX-512 on Intel's processors alone: on an AMD EPYC that has them a product of 4096 x
    384 by 384 x 96 took 2.60 ms by MKL and 1.16 by oneDNN (113 and 260 GFLOP/s).
    """
    wide = torch.backends.cpu.get_cpu_capability() == "AVX512" and torch.backends.mkldnn.is_available()
    return wide and facts("vendor_id") == ["AuthenticAMD"]
