"""A run to the hub."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.records import JSON
from hvae.runs.subject import Tell
from hvae.study.gifts import hub
from hvae.study.gifts.gift import Gift, gift
from hvae.study.placing import opened
from hvae.study.progress import silent
from hvae.trust import trusting

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun


@dataclass(frozen=True)
class Push:
    """What was pushed, or would be."""

    repository: str
    given: Gift
    address: str = ""
    """Of the commit; "" where nothing was sent."""

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each file."""
        return {name: len(content) for name, content in self.given.files().items()}

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        return {"repository": self.repository, "files": self.sizes, "address": self.address, "card": self.given.card}


def push(
    run: str | Path | LoadedRun,
    repository: str,
    *,
    licence: str = "",
    half: bool = False,
    dry_run: bool = False,
    trust: Sequence[str] = (),
    tell: Tell | None = None,
) -> Push:
    """Give a run to the hub: weights, card and records, without the paths and names of this machine.

    Arguments: `repository`, OWNER/NAME, which is made where it is missing; `licence`, an identifier of the hub, such as
    cc-by-4.0; `half`, weights in float16; `dry_run`, send nothing; `trust`, packages whose code the run may name;
    `tell`, called with a line for each file before anything is sent.  Raises HvaeError for a run that cannot be loaded,
    and where the hub refuses.
    """
    hub.check_name(repository)
    if not dry_run:
        hub.require()
    with trusting(*trust):
        bundle = gift(opened(run), name=repository.partition("/")[2], licence=licence, half=half)
    ready = Push(repository, bundle)
    hear = tell or silent
    for name, size in ready.sizes.items():
        hear(f"{name}: {size:,} bytes")
    data = bundle.card["data"]
    hear(f"trained on {data['name']}, whose licence is: {data['licence']}")
    if not licence:
        hear("no licence is given: without --licence nobody may use it")
    if dry_run:
        return ready
    return Push(repository, bundle, hub.upload(repository, bundle.files(), "Add a model of hvae"))
