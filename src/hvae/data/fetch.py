"""Where known data sets are looked for, and how a missing one is fetched."""

from __future__ import annotations

import hashlib
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import Any
from urllib.error import HTTPError

from hvae.caches import cache_folder
from hvae.data.progress import download_progress
from hvae.errors import HvaeError
from hvae.files import expanded, open_regular, replacing

TIMEOUT = 30
BLOCK = 1 << 20
LARGEST_DOWNLOAD = 1 << 35
LATER = "try again later"
_BUSY = (408, 425, 429, 500, 502, 503, 504)
"""Answers of a server that is well asked and cannot answer now."""
PERIOD, SLOWEST = 30.0, 4096
"""Seconds over which a download must bring so many bytes a second, or it is given up."""


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
    own = [expanded(root) / folder for folder in folders] if root else []
    return [*own, *map(Path, system), cache_folder() / folders[0]]


def fetch(remotes: Sequence[Remote], folder: Path) -> None:
    """Download what is missing, or is no longer what was published, into `folder`; each file whole, or not at all.

    Raises HvaeError when no address serves a file, or a file does not have the published md5.
    """
    for remote in remotes:
        if not is_whole(remote, folder):
            _fetch_one(remote, folder / remote.file)


def is_whole(remote: Remote, folder: Path) -> bool:
    """Whether a published file is in a folder, to the last byte."""
    path = folder / remote.file
    if not path.exists():
        return False
    with open_regular(path) as file:
        return hashlib.file_digest(file, _md5).hexdigest() == remote.md5


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


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


def download(
    address: str,
    path: Path,
    expected: str = "",
    *,
    algorithm: str = "sha256",
    limit: int = LARGEST_DOWNLOAD,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Fetch one file, with a bar while a person is looking; it appears whole and checked, or not at all.

    Arguments: `expected` digest ("": whatever comes is taken); `algorithm`, as `hashlib` names it; `limit`, bytes;
    `headers`, which the server of the address gets and no other one that it points to.
    Returns the digest of what came.  Raises HvaeError when the address does not answer, sends something else or too
    much, or sends it too slowly.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        for block in blocks(address, path.name, limit, headers):
            digest.update(block)
            file.write(block)
        actual = digest.hexdigest()
        if expected and actual != expected:
            raise HvaeError(f"{address} sent {algorithm} {actual}, expected {expected}: the file is damaged or changed")
    return actual


def blocks(address: str, name: str, limit: int, headers: Mapping[str, str] = MappingProxyType({})) -> Iterator[bytes]:
    """What an address sends, block after block: at most `limit` bytes, and not too slowly.

    `headers` go to the server of the address and to no other one that it points to.  Raises HvaeError as `download`.
    """
    # Network faults are OSErrors too; told apart here from a full disk, which `replacing` reports.
    try:
        with _answer(address, headers) as reply, download_progress() as bar:
            promised, arrived = int(reply.headers.get("Content-Length") or 0), 0
            pace = Pace()
            task = bar.add_task(name, total=promised or None)
            # What is there, and not a whole block: a server that sends a byte a second would never fill one.
            while arrived <= limit >= promised and (block := reply.read1(BLOCK)):
                arrived += len(block)
                pace.check(arrived)
                bar.advance(task, len(block))
                yield block
            if max(arrived, promised) > limit:
                raise HTTPException(f"expected at most {limit:,} bytes, got {max(arrived, promised):,} or more")
            # A connection that breaks off looks like the end of the file.
            if promised and arrived != promised:
                raise HTTPException(f"{arrived:,} of {promised:,} bytes came")
    except (OSError, HTTPException, ValueError) as fault:
        raise HvaeError(f"{address} could not be fetched ({_why(fault)})") from fault


def _why(fault: Exception) -> str:
    """What is said of a fault of the network: of a server that is busy, that it passes."""
    if isinstance(fault, HTTPError) and fault.code in _BUSY:
        wait = fault.headers.get("Retry-After", "") if fault.headers else ""
        return f"{fault.reason}: {LATER}{f' in {wait} s' if wait.isdecimal() and len(wait) < 6 else ''}"
    return str(getattr(fault, "reason", None) or fault) or f"no answer within {2 * TIMEOUT} s"


class Pace:
    """How fast a download goes: `check` raises HTTPException when a whole period brought less than it must."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.begun, self.before = clock(), 0

    def check(self, arrived: int) -> None:
        """Take note that `arrived` bytes have come in all."""
        now = self.clock()
        if now - self.begun < PERIOD:
            return
        if arrived - self.before < SLOWEST * (now - self.begun):
            raise HTTPException(f"only {arrived - self.before:,} bytes in {now - self.begun:.0f} s; {LATER}")
        self.begun, self.before = now, arrived


def _answer(address: str, headers: Mapping[str, str]) -> Any:
    """The reply of a server, once its headers are there; a time limit holds for all of them together."""
    # The limit of a socket begins again with every byte, and headers are read inside the library.
    reply: Future[Any] = Future()
    request = urllib.request.Request(address)
    for name, value in headers.items():
        request.add_unredirected_header(name, value)

    def ask() -> None:
        try:
            reply.set_result(urllib.request.urlopen(request, timeout=TIMEOUT))
        except BaseException as fault:
            reply.set_exception(fault)

    # Not a pool: it would wait for its thread when the program ends.
    Thread(target=ask, daemon=True).start()
    return reply.result(2 * TIMEOUT)
