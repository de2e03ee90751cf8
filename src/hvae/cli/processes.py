"""Which of several processes this is, before and after they know of each other."""

from __future__ import annotations

import os


def is_first() -> bool:
    """Whether this process alone may speak and write: launchers tell each process its rank in the environment."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"))
