"""Memory that was freed is kept: the next step finds its pages where they are."""

from __future__ import annotations

import ctypes
import platform

import pytest
from processes import finished

from hvae import heap

STEPS = """
import resource, torch
from hvae import heap
assert heap.keep()
def step():
    held = [torch.ones(1 << 20) for _ in range(40)]
step(); step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back in this way")
def test_a_step_finds_the_memory_of_the_one_before() -> None:
    done = finished("-c", STEPS)
    assert done.returncode == 0, done.stderr
    # 160 MB are 40,960 pages; without `keep` a step asks for 39,906 of them anew, unless something lies above them.
    assert int(done.stdout) < 5_000


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not heap.keep()
