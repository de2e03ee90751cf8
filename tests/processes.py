"""Programs that a test starts: none outlives it, whatever happens to the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

# Seconds.  It ends what hangs and says nothing of speed: a loaded machine may take minutes to import torch.
LIMIT = 600.0


def end(process: subprocess.Popen[str]) -> None:
    """Kill the program with all that it has started, and wait until it is gone."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def started(*words: object, environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """`python words...` in a process group of its own, which ends with the block; its output is piped, as text.

    It may import what the test may.
    """
    paths = os.pathsep.join(filter(None, sys.path))
    with subprocess.Popen(
        [sys.executable, *map(str, words)],
        env={**os.environ, "PYTHONPATH": paths, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            end(process)


def finished(*words: object, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`python words...` when it has ended.  Raises subprocess.TimeoutExpired after ten minutes."""
    with started(*words, environment=environment) as process:
        out, err = process.communicate(timeout=LIMIT)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)
