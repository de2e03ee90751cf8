"""Memory that was freed is kept: the next step finds its pages where they are."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

from hvae import heap

STEPS = """
import resource, sys, torch
from hvae import heap
if sys.argv[1] == "kept":
    assert heap.keep()
def step():
    held = [torch.ones(1 << 24) for _ in range(2)]  # 64 MB each, which glibc never takes from its heap by itself
step(); step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back in this way")
def test_a_step_finds_the_memory_of_the_one_before() -> None:
    usual, kept = (
        int(subprocess.run([sys.executable, "-c", STEPS, how], capture_output=True, text=True, check=True).stdout)
        for how in ("usual", "kept")
    )
    # 160 MB are 40,960 pages.
    assert kept < 5_000 < 20_000 < usual


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not heap.keep()
