"""The helper that starts programs: their end is the test's end."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import processes
import pytest

# A program that starts another one, says which, and would stay for ever.
PAIR = """
import subprocess, sys, time
words = [sys.executable, "-c", "import time; time.sleep(3600)"]
print(subprocess.Popen(words).pid, flush=True)
time.sleep(3600)
"""


def is_alive(pid: int) -> bool:
    """A zombie has ended; who should have waited for it is another matter."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


@needs_proc
def test_a_test_that_fails_leaves_no_process() -> None:
    with pytest.raises(AssertionError), processes.started("-c", PAIR) as process:
        assert process.stdout is not None
        inner = int(process.stdout.readline())
        assert is_alive(process.pid) and is_alive(inner)
        raise AssertionError
    assert not is_alive(process.pid)
    while is_alive(inner):  # killed, and soon gone; if it is not, the time limit of all tests says so
        time.sleep(0.01)


def test_what_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LIMIT", 0.5)
    with pytest.raises(subprocess.TimeoutExpired):
        processes.finished("-c", PAIR)


def test_what_ends_is_reported() -> None:
    code = "import os, sys; print(os.environ['WORD']); sys.exit('no')"
    done = processes.finished("-c", code, environment={"WORD": "yes"})
    assert (done.returncode, done.stdout, done.stderr) == (1, "yes\n", "no\n")
