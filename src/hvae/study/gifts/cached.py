"""A model of the hub by its name alone, fetched once and kept in the user's cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hvae.caches import cache_folder
from hvae.checkpoints import LoadedRun, load
from hvae.errors import HvaeError
from hvae.runs.subject import Tell
from hvae.study.gifts import hub
from hvae.study.gifts.pull import pull


def from_pretrained(
    name: str, *, revision: str | None = None, trust: Sequence[str] = (), tell: Tell | None = None
) -> LoadedRun:
    """The model of a run folder, of a packaged model by its name, or of the hub as OWNER/NAME.

    What comes from the hub is fetched as by `pull`, checked alike, and kept in the user's cache by its commit, so that
    a second call with the commit of the first asks no server.  Arguments: `revision`, a commit, branch or tag of the
    hub (none: the newest); `trust`, packages whose code the run may name; `tell`, called with a line for what is worth
    saying.  Raises HvaeError for a name that nobody has, for a revision of what has none, and as `pull`.

    >>> from_pretrained("digits").model.shape
    (1, 8, 8)
    """
    if not isinstance(name, str) or "/" not in name or Path(name).is_dir():
        if revision is not None:
            raise HvaeError(f"revision: {name} is no repository of the hub, which alone has some; leave it out")
        return load(name, trust=trust)
    hub.check_name(name)
    commit = revision if revision and hub.is_commit(revision) else hub.listing(name, revision).commit
    folder = cache_folder() / "hub" / name.replace("/", "--") / commit
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        pull(name, folder, revision=commit, trust=trust, tell=tell)
    return load(folder, trust=trust)
