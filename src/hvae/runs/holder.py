"""Who holds a claim: enough to name the process to a person, and to tell whether it is still there."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from hvae.errors import HvaeError
from hvae.files import open_regular

_LONGEST = 4096
"""Bytes of a record that are read, at most."""


@dataclass(frozen=True)
class Holder:
    """One process on one machine since it started; `token` is of this claim alone."""

    host: str
    boot: str
    pid: int
    started: str
    since: str
    token: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, a process of this machine since its last start."""
        return (self.host, self.boot) == (platform.node(), _boot())

    @property
    def is_running(self) -> bool:
        """Whether a process of this machine is still there, and no later one with its number."""
        # Windows has no harmless signal; there the age of the heartbeat decides.
        if sys.platform == "win32":
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return _started(self.pid) == self.started

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def this_process() -> Holder:
    """This process as the holder of a new claim."""
    since, pid = datetime.now(UTC).isoformat(timespec="seconds"), os.getpid()
    return Holder(platform.node(), _boot(), pid, _started(pid), since, uuid4().hex)


def read_holder(path: Path) -> Holder | None:
    """The holder that a claim names; None where there is no file, or none that is whole."""
    try:
        with open_regular(path) as f:  # a pipe in its place would be waited for, by a training too
            record = json.loads(f.read(_LONGEST))
        texts = [record[name] for name in ("host", "boot", "started", "since", "token")]
        if not all(isinstance(text, str) for text in texts) or type(record["pid"]) is not int or record["pid"] < 1:
            return None
        return Holder(**record)
    except (HvaeError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _boot() -> str:
    """What sets two machines of one name apart, and one machine from itself before it was started again."""
    return _text(Path("/proc/sys/kernel/random/boot_id")).strip()


def _started(pid: int) -> str:
    """When a process started, in ticks of the kernel; empty where that is not known."""
    # The name in brackets may itself hold brackets and spaces.
    fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def refusal(folder: Path, what: str, holder: Holder | None) -> HvaeError:
    """The line for a folder that another process works on."""
    who = holder or "another process"
    return HvaeError(f"{folder} is claimed for {what} by {who}; wait for it, stop it, or name another folder")
