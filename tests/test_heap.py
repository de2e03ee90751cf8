"""Memory that was freed is kept: the next step finds its pages where they are."""

from __future__ import annotations

import ctypes
import platform
from pathlib import Path

import pytest
from processes import finished

from hvae import heap
from hvae.errors import HvaeError

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


def test_more_memory_than_there_is_is_refused() -> None:
    heap.check_memory(1 << 10, "x.npz")
    if heap.available() is not None:
        with pytest.raises(HvaeError, match=r"x.npz: needs 1,000,000,000,000,000,000 bytes of memory"):
            heap.check_memory(10**18, "x.npz")


def test_the_limit_of_a_container_counts(tmp_path: Path) -> None:
    for name, text in {
        "memory.max": "1000",
        "memory.current": "700",
        "memory.stat": "anon 5\ninactive_file 50",
    }.items():
        (tmp_path / name).write_text(text)
    assert heap._of_container(tmp_path) == 350
    (tmp_path / "memory.max").write_text("max")
    assert heap._of_container(tmp_path) is None and heap._of_container(tmp_path / "none") is None
