"""One writer at a time: the exclusive claim of a run folder.  Readers need none.

A claim is a small file in the folder, locked by the operating system while its process lives: a killed process leaves
a file that nobody holds.  Where file systems have no locks, or locks that end at their own machine, the file itself
says who holds it, and its time moves on while that process works (a heartbeat).
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hvae.errors import HvaeError
from hvae.runs.holder import Holder, read_holder, refusal, this_process
from hvae.runs.locks import Lock, lock, unlock

SUFFIX = ".claim"
TRAINING, MEASURING = "training", "evaluation"
"""The kinds of work that write into a folder, each with a claim of its own: a run may be evaluated while it trains."""
BEAT = 10.0
"""Seconds between heartbeats."""
SILENCE = 45.0
"""Seconds without a heartbeat after which a claim of another machine is over."""
LONG_AGO = 3600.0
"""An age in seconds that no difference of clocks explains."""
PAUSE = 1.0
"""Seconds after which a claim without a lock is read again: of two made together, the later one stays."""
TRIES = 20
LONGEST = 100
"""Letters of the longest name that a run writes, with room for its temporary form."""


class ClaimLost(HvaeError):
    """The folder was deleted, moved, or taken over by another process."""


@dataclass(frozen=True)
class Claim:
    """The right to write into a folder; a plain value, which processes of one run may pass on."""

    folder: Path
    what: str
    token: str

    def check(self) -> None:
        """Raises ClaimLost when the folder is no longer there, or another process has claimed it."""
        holder = read_holder(claim_file(self.folder, self.what))
        if holder and holder.token == self.token:
            return
        if holder:
            raise ClaimLost(f"{self.folder} was taken over by {holder}; this {self.what} stops and writes nothing more")
        raise ClaimLost(
            f"{self.folder} was deleted or moved during its {self.what}, which stops here; put it back, or use its "
            "new place, and run the command again"
        )


def claim_file(folder: Path, what: str) -> Path:
    """Where a claim on a folder for some work is kept."""
    return folder / f".{what}{SUFFIX}"


def is_unused(folder: Path) -> bool:
    """Whether a new run may be written here: nothing there, or a folder with nothing but claims in it."""
    if not os.path.lexists(folder):
        return True
    return folder.is_dir() and all(path.name.startswith(".") and path.suffix == SUFFIX for path in folder.iterdir())


@contextmanager
def claiming(
    folder: str | Path,
    what: str,
    *,
    patience: float = 0.0,
    tell: Callable[[str], None] = lambda text: None,
) -> Iterator[Claim]:
    """Claim a folder for one kind of work (`what`: training, evaluation); it is made where it is missing.

    Waits `patience` seconds for an earlier holder, and up to 45 seconds for a sign of one on another machine; `tell`
    hears of both.  At the end the claim goes, and with it the folders that were made for it and stayed empty.  Raises
    HvaeError when another process holds the claim, and when nothing can be written there.

    >>> import tempfile
    >>> with claiming(tempfile.mkdtemp(), "training") as training:
    ...     training.check()
    """
    folder = Path(folder)
    path, new = claim_file(folder, what), [place for place in (folder, *folder.parents) if not os.path.exists(place)]
    holder, until = this_process(), time.monotonic() + patience
    try:
        descriptor = _claimed(path, what, holder, until, tell)
        try:
            with _heartbeat(descriptor, path):
                yield Claim(folder, what, holder.token)
        finally:
            _release(descriptor, path, holder)
    finally:
        _remove_empty(new)


def _claimed(path: Path, what: str, holder: Holder, until: float, tell: Callable[[str], None]) -> int:
    """The open claim file, once it is ours.  Raises HvaeError where it cannot be, in a line."""
    folder = path.parent
    try:
        _check_name(folder)
        return _taken(path, what, holder, until, tell)
    except HvaeError:
        raise
    except (OSError, ValueError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "its name is not text in UTF-8"
        raise HvaeError(f"could not write {str(folder)!r}: {why}; choose another folder") from fault


def _check_name(folder: Path) -> None:
    """Raises OSError or ValueError for a place whose later files could not be written, or not be read again."""
    pictures = folder / "pictures"
    if os.path.lexists(pictures) and not pictures.is_dir():
        raise HvaeError(f"{pictures}: expected a folder for what a run draws, got something else; move it away")
    str(folder).encode()  # libraries read weights by names in UTF-8 alone
    with suppress(FileNotFoundError):
        os.lstat(pictures / ("x" * LONGEST))


def _taken(path: Path, what: str, holder: Holder, until: float, tell: Callable[[str], None]) -> int:
    """The open claim file, once it is ours.  Raises HvaeError when it stays another's."""
    is_told = False
    while True:
        descriptor = _attempt(path, holder, tell)
        if descriptor is not None:
            return descriptor
        other = read_holder(path)
        if time.monotonic() >= until:
            raise refusal(path.parent, what, other)
        if not is_told:
            tell(f"waiting for the {what} of {path.parent} by {other or 'another process'}")
            is_told = True
        time.sleep(PAUSE)


def _attempt(path: Path, holder: Holder, tell: Callable[[str], None]) -> int | None:
    """The open claim file with our name in it; None when another process holds it."""
    for _ in range(TRIES):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = _opened(path)
        except FileNotFoundError:
            continue  # whoever had made the folder has just removed it
        try:
            state = lock(descriptor)
            # The holder before may have removed the file between our opening and locking it.
            is_gone = state is not Lock.TAKEN and not _is_at(descriptor, path)
            is_ours = not is_gone and _is_claimed(descriptor, path, holder, state, tell)
        except BaseException:  # an interrupt may come when our name is in it
            _release(descriptor, path, holder)
            raise
        if is_ours:
            return descriptor
        os.close(descriptor)
        if not is_gone:
            break
    return None


def check_claim(path: Path) -> None:
    """Raises HvaeError where a claim file could not be written: a link or a special file has its name."""
    # A claim is written from its first byte: through a link that would empty a file of somebody's.
    if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
        raise HvaeError(f"{path} is a link or a special file, not the claim of a run; remove it")


def _opened(path: Path) -> int:
    check_claim(path)
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _is_claimed(descriptor: int, path: Path, holder: Holder, state: Lock, tell: Callable[[str], None]) -> bool:
    """Whether an open claim file has become ours."""
    if state is Lock.TAKEN or _is_held(path, state, tell):
        return False
    return _is_named(descriptor, path, holder, state)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False


def _is_held(path: Path, state: Lock, tell: Callable[[str], None]) -> bool:
    """Whether the process that a claim names is at work, though its lock, if there are any, is ours."""
    other = read_holder(path)
    if other is None:
        return False
    if other.is_here:
        return state is Lock.UNSUPPORTED and other.is_running
    before, began = os.stat(path).st_mtime, time.monotonic()
    if abs(time.time() - before) > LONG_AGO:
        return False
    tell(f"waiting up to {SILENCE:.0f} seconds for a sign of {other}, which has claimed {path.parent}")
    while time.monotonic() - began < SILENCE:
        time.sleep(PAUSE)
        if not path.exists():
            return False
        if os.stat(path).st_mtime != before:
            return True
    return False


def _is_named(descriptor: int, path: Path, holder: Holder, state: Lock) -> bool:
    """Write the holder into the file; whether it stays there."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.truncate(descriptor, 0)
    os.write(descriptor, holder.to_bytes())
    os.fsync(descriptor)
    if state is Lock.OURS:
        return True
    time.sleep(PAUSE)
    return read_holder(path) == holder


@contextmanager
def _heartbeat(descriptor: int, path: Path) -> Iterator[None]:
    """Move the time of the claim file on while the block runs."""
    stop = threading.Event()
    # By its number, so that a file that has taken the place of ours is left alone.
    target = descriptor if os.utime in os.supports_fd else path

    def beat() -> None:
        while not stop.wait(BEAT):
            with suppress(OSError):
                os.utime(target)

    thread = threading.Thread(target=beat, daemon=True, name="heartbeat of a claim")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _release(descriptor: int, path: Path, holder: Holder) -> None:
    """Remove the claim file if it is still ours; then the lock goes."""
    # In this order, so that nobody else ever holds a lock on a file that we are about to remove.
    with suppress(OSError):
        if read_holder(path) == holder:
            path.unlink()
    unlock(descriptor)
    os.close(descriptor)
    # Windows removes no file that is open.
    with suppress(OSError):
        if os.name == "nt" and read_holder(path) == holder:
            path.unlink()


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove those that are empty, the innermost first."""
    with suppress(OSError, ValueError):
        for folder in folders:
            folder.rmdir()
