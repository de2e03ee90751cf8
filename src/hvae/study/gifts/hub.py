"""Repositories of the Hugging Face hub, or of a server that speaks as it does (`HF_ENDPOINT`).

huggingface_hub says who asks and sends; what is fetched comes within bounds of size and time, which it does not have.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

from hvae.data.fetch import LATER, blocks, download
from hvae.errors import HvaeError, missing_extra, short
from hvae.records import MOST_BYTES, check, no_number, parsed

NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_REVISION = re.compile(r"\w[\w./-]{0,99}")
_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_LISTING = {
    "sha": str,
    "siblings?": (None, [{"rfilename": str, "size?": (None, int), "lfs?": (None, {"sha256?": (None, str)})}]),
}


@dataclass(frozen=True)
class Remote:
    """A file of a repository: bytes, and the sha256 where the server tells it."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Listing:
    """The files of a repository at one commit."""

    repository: str
    commit: str
    files: tuple[Remote, ...]


def check_name(name: str) -> None:
    """Raises HvaeError unless this is the name of a repository, OWNER/NAME."""
    if not NAME.fullmatch(name):
        raise HvaeError(f"expected a repository as OWNER/NAME, got {short(name)}")


def is_commit(revision: str) -> bool:
    """Whether a revision is the number of a commit, which names the same files for ever."""
    return _COMMIT.fullmatch(revision) is not None


def listing(repository: str, revision: str | None) -> Listing:
    """What a repository holds at a revision (none: the newest); nothing is downloaded.

    Raises HvaeError where there is no such repository or revision, or nobody answers.
    """
    if revision is not None and not _REVISION.fullmatch(revision):
        raise HvaeError(f"--revision: expected a commit, a branch or a tag, got {short(revision)}")
    at = f"/revision/{quote(revision, safe='')}" if revision else ""
    address = f"{_endpoint()}/api/models/{repository}{at}?blobs=true"
    with _asking(repository):
        record = parsed(b"".join(blocks(address, repository, MOST_BYTES, _headers())).decode(), no_number)
        check(record, _LISTING)
    if not is_commit(record["sha"]):
        raise HvaeError(f"{repository}: expected the number of a commit, got {short(record['sha'])}")
    files = [
        Remote(one["rfilename"], one.get("size") or 0, (one.get("lfs") or {}).get("sha256") or "")
        for one in record.get("siblings") or ()
    ]
    return Listing(repository, record["sha"], tuple(files))


def fetch(files: Listing, remote: Remote, folder: Path) -> bytes:
    """One file of a repository, checked by its size and, where it is known, its sha256.

    Raises HvaeError for a file that is not the one which was listed, and as soon as it is longer.
    """
    place = folder / remote.name
    with _asking(files.repository):
        address = _package().hf_hub_url(files.repository, remote.name, revision=files.commit, endpoint=_endpoint())
        download(address, place, limit=remote.size, headers=_headers())
    content = place.read_bytes()
    if len(content) != remote.size:
        raise HvaeError(f"{files.repository}: {remote.name}: expected {remote.size:,} bytes, got {len(content):,}")
    check_digest(f"{files.repository}: {remote.name}", content, remote.sha256)
    return content


def check_digest(what: str, content: bytes, expected: str) -> None:
    """Raises HvaeError unless this is the content with that sha256; "": there is none to compare with."""
    actual = hashlib.sha256(content).hexdigest()
    if expected and actual != expected:
        raise HvaeError(f"{what} has sha256 {actual[:12]}..., expected {expected[:12]}...: damaged or changed")


def upload(repository: str, files: Mapping[str, bytes], message: str) -> str:
    """Make one commit of these files, in a repository that is made where it is missing; its address."""
    add, api = _package().CommitOperationAdd, _api()
    with _asking(repository):
        api.create_repo(repository, exist_ok=True)
        operations = [add(path_in_repo=name, path_or_fileobj=content) for name, content in files.items()]
        return str(api.create_commit(repository, operations, commit_message=message).commit_url)


def require() -> None:
    """Raises HvaeError, with what to type, where the package is missing."""
    _package()


def _package() -> ModuleType:
    try:
        # Optional: wanted by push and pull alone.  The package itself names neither part before somebody imports it.
        import huggingface_hub.constants
        import huggingface_hub.utils
    except ImportError as fault:
        raise missing_extra("huggingface_hub", "hub") from fault
    return huggingface_hub


def _endpoint() -> str:
    # The package reads it when it is imported, which may have been long ago.
    return str(os.environ.get("HF_ENDPOINT") or _package().constants.ENDPOINT).rstrip("/")


def _headers() -> dict[str, str]:
    """Who asks: the user's token, where there is one.  Raises HvaeError where the user wants no network."""
    if _package().constants.HF_HUB_OFFLINE:
        raise HvaeError("HF_HUB_OFFLINE is set, so that nobody is asked")
    return dict(_package().utils.build_hf_headers(library_name="hvae"))


def _api() -> Any:
    return _package().HfApi(endpoint=_endpoint(), library_name="hvae")


@contextmanager
def _asking(repository: str) -> Iterator[None]:
    """Whatever the package raises, and it raises dozens of unrelated types, in one line."""
    try:
        yield
    except Exception as fault:
        why = next(iter(str(fault).splitlines()), "") or type(fault).__name__
        advice = "" if LATER in why else "; check the name and `hf auth whoami`"
        raise HvaeError(f"{repository}: the hub did not do it ({why[:400]}){advice}") from fault
