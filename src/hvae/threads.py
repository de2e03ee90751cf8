"""The threads of this process: whoever waits for the others soon sleeps.

The OpenMP library under torch lets a thread that is done turn in a loop for milliseconds, in case the others are done
soon.  Where other work has one of the cores, the thread that is waited for does not run meanwhile: beside a dozen
processes on two cores a training step of the preset `digits` took 22 s, and 1.2 s with threads that turn a thousand
times and then sleep.  To sleep at once would be slower than a single thread where the machine is free; there ten
thousand turns are quicker than a thousand, so that it matters whether others compute when a command begins.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

TURNS = "GOMP_SPINCOUNT"
CHOICES = ("OMP_WAIT_POLICY", TURNS, "KMP_BLOCKTIME")
"""How a user tells an OpenMP library what threads do while they wait."""
FEW, MANY = "1000", "10000"
"""Some microseconds, beside other work and without; by itself GNU's library takes 300,000."""
LOAD = Path("/proc/loadavg")
"""Where Linux says how many threads compute at this moment: the fourth word is that number / all threads."""


def soon_asleep() -> bool:
    """From now on threads that wait soon sleep, sooner beside other work.

    False, and nothing is set, where a user has chosen or torch is there already.

    The commands of `hvae` do so, and the processes that they start.  A library does not decide that for its host, so
    nothing else calls it.  No number changes by it, and `GOMP_SPINCOUNT=300000` brings back what GNU's library does by
    itself.
    """
    if "torch" in sys.modules or any(choice in os.environ for choice in CHOICES):
        return False
    os.environ[TURNS] = MANY if alone() else FEW
    return True


def alone(load: Path = LOAD) -> bool:
    """Whether nobody else computes at this moment, as far as the system says.

    >>> alone(Path("/nowhere"))
    False
    """
    try:
        return int(load.read_text().split()[3].partition("/")[0]) <= 1
    except (OSError, IndexError, ValueError):
        return False
