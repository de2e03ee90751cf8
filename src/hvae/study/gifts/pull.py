"""A run from the hub, or a copy of one that comes with the library, into a folder of the user's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from hvae import __version__, pretrained
from hvae.capacity import check_memory
from hvae.checkpoints import load
from hvae.checkpoints.imports import sha256
from hvae.descriptions import Card, Pulled, RunRecord
from hvae.errors import HvaeError
from hvae.files import free, making
from hvae.pretrained import CARD, FACTS, WEIGHTS
from hvae.records import JSON, MOST_BYTES, check, no_number, parsed
from hvae.runs.provenance import FORM as PROVENANCE_FORM
from hvae.runs.provenance import NAME as PROVENANCE
from hvae.runs.subject import Tell
from hvae.screen.numbers import size
from hvae.study.evaluation import FILE as EVALUATION
from hvae.study.evaluation import Evaluation
from hvae.study.gifts import hub
from hvae.study.gifts.gift import Gift, packaged
from hvae.study.places import check_place
from hvae.study.progress import silent
from hvae.trust import trusting

MOST_WEIGHTS = 2**33
"""Bytes of the largest weights file that is fetched: the largest published hierarchy has an eighth of it."""
RECORDS = (CARD, PROVENANCE, EVALUATION)
_PROGRAMS = (".bin", ".ckpt", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pt2", ".pth", ".py", ".th", ".ts")
"""Endings of files that may run code when they are loaded, which are never fetched."""
_NAMED = 5


@dataclass(frozen=True)
class Pull:
    """A run that was pulled."""

    folder: Path
    pulled: Pulled
    licence: str
    data_licence: str

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        return {
            "run": str(self.folder),
            **self.pulled,
            "licence": self.licence,
            "data_licence": self.data_licence,
        }


def pull(
    name: str, out: str | Path, *, revision: str | None = None, trust: Sequence[str] = (), tell: Tell | None = None
) -> Pull:
    """Fetch a run into a new folder: a packaged one by its name, one of the hub as OWNER/NAME.

    Of a repository, weights (safetensors) and records (JSON) are fetched and nothing else; sizes are checked before,
    sha256 after, the model is loaded once, and provenance.json says which commit it was.  Arguments: `revision`, a
    commit, branch or tag (none: the newest); `trust`, packages whose code the run may name; `tell`, called with a line
    for what is worth saying.  Raises HvaeError for a name that nobody has, and for a file that is not what it should
    be; then there is no folder.
    """
    folder, hear = Path(out), tell or silent
    check_place(folder)
    free(folder)
    bundle, pulled = _of_hub(name, revision, hear) if "/" in name else _of_library(name, revision)
    with making(folder) as temporary, trusting(*trust):
        bundle.write(temporary, pulled)
        load(temporary / WEIGHTS)
    card = bundle.card
    licences = (card["licence"], card["data"]["licence"]) if card else ("not known", "not known")
    return Pull(folder, pulled, *licences)


def _of_library(name: str, revision: str | None) -> tuple[Gift, Pulled]:
    if revision is not None:
        raise HvaeError(f"--revision: {name} comes with this version of the library and has no other")
    bundle = packaged(name)
    source = pretrained.find(name).weights
    return bundle, Pulled(source=f"hvae {__version__}: {name}", revision=__version__, sha256=sha256(source))


def _of_hub(name: str, revision: str | None, tell: Tell) -> tuple[Gift, Pulled]:
    hub.check_name(name)
    files = hub.listing(name, revision)
    members = _wanted(files, tell)
    check_memory(2 * sum(one.size for one in members.values()), f"{name}", "pull a smaller run")
    tell(f"fetching {name} at {files.commit}: {size(sum(one.size for one in members.values()))}")
    with TemporaryDirectory() as place:
        contents = {one.name: hub.fetch(files, one, Path(place)) for one in members.values()}
    bundle = _checked(name, contents)
    digest = hashlib.sha256(bundle.weights).hexdigest()
    return bundle, Pulled(source=name, revision=files.commit, sha256=digest)


def _wanted(files: hub.Listing, tell: Tell) -> dict[str, hub.Remote]:
    """The files of a run.  Raises HvaeError, before any is fetched, where weights are missing or one is too large."""
    there = {one.name: one for one in files.files}
    if WEIGHTS not in there:
        raise HvaeError(f"{files.repository} holds no {WEIGHTS}; expected a run that 'hvae push' has written")
    programs = [name for name in there if name.endswith(_PROGRAMS)]
    if programs:
        more = f" and {len(programs) - _NAMED} more" if len(programs) > _NAMED else ""
        tell(f"not fetched, since loading it may run code: {', '.join(programs[:_NAMED])}{more}")
    members = {name: there[name] for name in (WEIGHTS, *RECORDS) if name in there}
    for name, one in members.items():
        most = MOST_WEIGHTS if name == WEIGHTS else MOST_BYTES
        if one.size > most:
            raise HvaeError(f"{files.repository}: {name}: expected at most {most:,} bytes, got {one.size:,}")
    return members


def _checked(repository: str, contents: dict[str, bytes]) -> Gift:
    """What was fetched, once each record has its form and each file the digest that the card gives."""
    card = cast(Card, _record(repository, CARD, contents, lambda record: check(record, FACTS)))
    for name, seal in (card.get("files") or {}).items():
        if name in contents:
            hub.check_digest(f"{repository}: {name}", contents[name], seal["sha256"])
    provenance = cast(
        RunRecord, _record(repository, PROVENANCE, contents, lambda record: check(record, PROVENANCE_FORM))
    )
    evaluation = _record(repository, EVALUATION, contents, Evaluation.from_dict)
    return Gift(contents[WEIGHTS], card, provenance, evaluation)


def _record(repository: str, name: str, contents: dict[str, bytes], check: Callable[[JSON], object]) -> JSON:
    """A record among the files, empty where it is missing."""
    if name not in contents:
        return {}
    try:
        record = parsed(contents[name].decode(), no_number)
        check(record)
        return record
    except (ValueError, HvaeError) as fault:
        why = " ".join(str(fault).split())[:200]
        raise HvaeError(f"{repository}: {name} is not what hvae writes ({why})") from fault
