"""An exclusive lock of the operating system on an open file: it ends with its process, however that ends."""

from __future__ import annotations

import sys
from contextlib import suppress
from enum import Enum

FAR = 2**30
"""The byte that is locked where a system locks bytes: beyond the text, which others may go on reading."""


class Lock(Enum):
    """What came of asking for a lock."""

    OURS = "ours"
    TAKEN = "taken"
    """Another process, or another thread of this one, has it."""
    UNSUPPORTED = "unsupported"
    """This file system has no locks, as some network disks."""


if sys.platform == "win32":
    import msvcrt
    import os

    def lock(descriptor: int) -> Lock:
        """Ask for the lock without waiting."""
        os.lseek(descriptor, FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return Lock.TAKEN
        except OSError:
            return Lock.UNSUPPORTED
        return Lock.OURS

    def unlock(descriptor: int) -> None:
        """Give the lock back."""
        os.lseek(descriptor, FAR, os.SEEK_SET)
        with suppress(OSError):
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def lock(descriptor: int) -> Lock:
        """Ask for the lock without waiting."""
        # flock and not lockf: a lock of lockf is lost as soon as its process closes any other view of the file.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return Lock.TAKEN
        except OSError:
            return Lock.UNSUPPORTED
        return Lock.OURS

    def unlock(descriptor: int) -> None:
        """Give the lock back, also where a forked process still has the file open."""
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
