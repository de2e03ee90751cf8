"""What becomes of one fault, and of one command within its bounds.  Used by benchmarks/faults.py and its parts."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

SECONDS, PATIENCE, BYTES = 300, 3_600, 8 * 2**30
"""What one command may take: of a processor, of the clock on a busy machine, and of address space, which torch alone
takes gigabytes of."""
# Each command has a process of its own, forked from one that has loaded the libraries: most of these commands are
# refused in less time than loading them takes.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["lightning", "sklearn.datasets", "scipy.stats", "hvae.study.train", "hvae.study.score", "hvae.inspection"]
)


@dataclass(frozen=True)
class Outcome:
    """What became of one fault: "done", "refused", or what went wrong, with what it was."""

    kind: str
    what: str = ""

    @property
    def survived(self) -> bool:
        return self.kind in ("done", "refused")


def command(*words: object, place: Path | None = None) -> Outcome:
    """Run one command of hvae in a process of its own, within its bounds, in the folder `place`."""
    with tempfile.NamedTemporaryFile() as errors:
        process = _FORKS.Process(target=_run, args=([str(word) for word in words], str(place or ""), errors.name))
        process.start()
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            process.join()
            return Outcome(f"longer than {PATIENCE} s")
        return _outcome(process.exitcode, errors.read().decode(errors="replace"))


def _outcome(code: int, errors: str) -> Outcome:
    last = (errors.strip().splitlines() or [""])[-1][:200]
    if "Traceback" in errors:
        return Outcome("traceback", last)
    if code == 2 and last.startswith("hvae: "):
        return Outcome("refused", last)
    return Outcome("done" if code == 0 else f"exit code {code}", errors[-200:])


def _run(words: list[str], place: str, errors: str) -> None:
    """The command, in its process: its errors into a file, what else it prints to nowhere."""
    import resource

    from hvae.cli.main import main

    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    if place:
        os.chdir(place)
    os.dup2(os.open(errors, os.O_WRONLY | os.O_APPEND), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = ["hvae", *words]
    sys.exit(main())
