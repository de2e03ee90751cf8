"""Where known data sets are looked for, and how a missing one is fetched."""

from __future__ import annotations

import hashlib
import os
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from hvae.data.progress import download_progress
from hvae.errors import HvaeError
from hvae.files import replacing

TIMEOUT = 30
BLOCK = 1 << 20


def cache_folder() -> Path:
    """Where downloads and decoded images are kept: `hvae` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hvae"


@dataclass(frozen=True)
class Remote:
    """One published file: its name here, its md5 as published, and the addresses it is served from, nearest first."""

    file: str
    md5: str
    addresses: tuple[str, ...]


def places(root: str, folders: Sequence[str], system: Sequence[str]) -> list[Path]:
    """Every folder in which a known set is looked for, in order: below `root`, the system's, the cache.

    >>> [str(p) for p in places("/data", ["mnist", "."], ["/usr/share/datasets/x"])][:3]
    ['/data/mnist', '/data', '/usr/share/datasets/x']
    """
    given = [Path(root).expanduser() / folder for folder in folders] if root else []
    return [*given, *map(Path, system), cache_folder() / folders[0]]


def fetch(remotes: Sequence[Remote], folder: Path) -> None:
    """Download what is missing into `folder`; each file appears whole and checked, or not at all.

    Raises HvaeError when no address serves a file, or a file does not have the published md5.
    """
    for remote in remotes:
        if not (folder / remote.file).exists():
            _fetch_one(remote, folder / remote.file)


def _fetch_one(remote: Remote, path: Path) -> None:
    faults = []
    for address in remote.addresses:
        try:
            return _download(address, remote.md5, path)
        except HvaeError as fault:
            faults.append(str(fault))
    raise HvaeError("; ".join(faults))


def _download(address: str, md5: str, path: Path) -> None:
    download(address, path, md5, algorithm="md5")


def download(address: str, path: Path, expected: str = "", *, algorithm: str = "sha256") -> str:
    """Fetch one file, with a bar while a person is looking; it appears whole and checked, or not at all.

    Arguments: `expected` digest ("": whatever comes is taken); `algorithm`, as `hashlib` names it.  Returns the digest
    of what came.  Raises HvaeError when the address does not answer, or sends something else.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        for block in _blocks(address, path.name):
            digest.update(block)
            file.write(block)
        found = digest.hexdigest()
        if expected and found != expected:
            raise HvaeError(f"{address} sent {algorithm} {found}, expected {expected}: the file is damaged or changed")
    return found


def _blocks(address: str, name: str) -> Iterator[bytes]:
    # Network faults are OSErrors too; told apart here from a full disk, which `replacing` reports.
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as reply, download_progress() as bar:
            promised, came = int(reply.headers.get("Content-Length") or 0), 0
            task = bar.add_task(name, total=promised or None)
            while block := reply.read(BLOCK):
                came += len(block)
                bar.advance(task, len(block))
                yield block
            # A connection that breaks off looks like the end of the file.
            if promised and came != promised:
                raise HTTPException(f"{came:,} of {promised:,} bytes came")
    except (OSError, HTTPException) as fault:
        why = getattr(fault, "reason", None) or fault
        raise HvaeError(f"{address} could not be fetched ({why})") from fault
