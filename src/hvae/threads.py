"""The threads of this process: whoever waits for the others soon sleeps.

The OpenMP library under torch lets a thread that is done turn in a loop for milliseconds, in case the others are done
soon.  Where other work has one of the cores, the thread that is waited for does not run meanwhile: beside a dozen
processes on two cores a training step of the preset `digits` took 22 s, and 1.2 s with threads that turn a thousand
times and then sleep.  To sleep at once would be slower than a single thread where the machine is free.
"""

from __future__ import annotations

import os
import sys

TURNS = "GOMP_SPINCOUNT"
CHOICES = ("OMP_WAIT_POLICY", TURNS, "KMP_BLOCKTIME")
"""How a user tells an OpenMP library what threads do while they wait."""
FEW = "1000"
"""Some microseconds; by itself GNU's library takes 300,000."""


def soon_asleep() -> bool:
    """From now on threads that wait sleep after a few turns; False where a user has chosen, or torch is there already.

    The commands of `hvae` do so, and the processes that they start.  A library does not decide that for its host, so
    nothing else calls it.  No number changes by it, and `GOMP_SPINCOUNT=300000` brings back what GNU's library does by
    itself.
    """
    if "torch" in sys.modules or any(choice in os.environ for choice in CHOICES):
        return False
    os.environ[TURNS] = FEW
    return True
