"""What becomes of one fault, and of one command within its bounds.  Used by benchmarks/faults.py and its parts."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SECONDS, BYTES = 300, 8 * 2**30
"""What one command may take, start of Python included: of address space, which torch alone takes gigabytes of."""
HVAE = (sys.executable, "-c", "import sys; from hvae.cli.main import main; sys.exit(main())")


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
    try:
        ended = subprocess.run(
            [*HVAE, *map(str, words)],
            cwd=place,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            preexec_fn=_bound,
        )
    except subprocess.TimeoutExpired:
        return Outcome(f"longer than {SECONDS} s")
    last = (ended.stderr.strip().splitlines() or [""])[-1][:200]
    if "Traceback" in ended.stderr:
        return Outcome("traceback", last)
    if ended.returncode == 2 and last.startswith("hvae: "):
        return Outcome("refused", last)
    return Outcome("done" if ended.returncode == 0 else f"exit code {ended.returncode}", ended.stderr[-200:])


def _bound() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
