"""The threads of this process: whoever waits for the others sleeps.

The OpenMP library under torch lets a thread that is done turn in a loop for milliseconds, in case the others are done
soon.  Where other work has one of the cores, the thread that is waited for does not run meanwhile: beside a dozen
processes on two cores a training step of the preset `digits` took 22 s, and 0.9 s with threads that sleep.
"""

from __future__ import annotations

import os
import sys

POLICY = "OMP_WAIT_POLICY"
CHOICES = (POLICY, "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""How a user tells an OpenMP library what threads do while they wait."""


def sleep_while_waiting() -> bool:
    """From now on threads that wait sleep; False where a user has chosen, or torch and its threads are there already.

    The commands of `hvae` do so, and the processes that they start.  A library does not decide that for its host, so
    nothing else calls it.  No number changes by it, and `GOMP_SPINCOUNT=300000` brings back what GNU's library does by
    itself.
    """
    if "torch" in sys.modules or any(choice in os.environ for choice in CHOICES):
        return False
    os.environ[POLICY] = "passive"
    return True
