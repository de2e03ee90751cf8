"""Repositories of the Hugging Face hub, or of a server that speaks as it does (`HF_ENDPOINT`), by huggingface_hub."""

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

from hvae.errors import HvaeError, missing_extra, short

NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_REVISION = re.compile(r"\w[\w./-]{0,99}")


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


def listing(repository: str, revision: str | None) -> Listing:
    """What a repository holds at a revision (none: the newest); nothing is downloaded.

    Raises HvaeError where there is no such repository or revision, or nobody answers.
    """
    if revision is not None and not _REVISION.fullmatch(revision):
        raise HvaeError(f"--revision: expected a commit, a branch or a tag, got {short(revision)}")
    with _asking(repository):
        info = _api().model_info(repository, revision=revision, files_metadata=True)
    files = [Remote(f.rfilename, int(f.size or 0), f.lfs.sha256 if f.lfs else "") for f in info.siblings or ()]
    return Listing(repository, str(info.sha), tuple(files))


def fetch(files: Listing, remote: Remote, folder: Path) -> bytes:
    """One file of a repository, checked by its size and, where it is known, its sha256.

    Raises HvaeError for a file that is not the one which was listed.
    """
    with _asking(files.repository):
        place = _package().hf_hub_download(
            files.repository, remote.name, revision=files.commit, local_dir=folder, endpoint=_endpoint()
        )
    content = Path(place).read_bytes()
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
        import huggingface_hub  # optional: wanted by push and pull alone
    except ImportError as fault:
        raise missing_extra("huggingface_hub", "hub") from fault
    return huggingface_hub


def _endpoint() -> str | None:
    # The package reads it when it is imported, which may have been long ago.
    return os.environ.get("HF_ENDPOINT") or None


def _api() -> Any:
    return _package().HfApi(endpoint=_endpoint(), library_name="hvae")


@contextmanager
def _asking(repository: str) -> Iterator[None]:
    """Whatever the package raises, and it raises dozens of unrelated types, in one line."""
    try:
        yield
    except HvaeError:
        raise
    except Exception as fault:
        why = next(iter(str(fault).splitlines()), "") or type(fault).__name__
        raise HvaeError(
            f"{repository}: the hub did not do it ({why[:200]}); check the name and `hf auth whoami`"
        ) from fault
