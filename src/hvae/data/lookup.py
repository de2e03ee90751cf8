"""Finding a known data set: below a given root, in the system's place, in the cache, and last on the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

from hvae.config.data import KNOWN, DataConfig
from hvae.data.catalogue import SETS
from hvae.data.fetch import fetch
from hvae.data.known import KnownSet, R
from hvae.data.raw import Raw
from hvae.data.sequences.catalogue import sets
from hvae.data.unpacking import DAMAGED
from hvae.errors import HvaeError
from hvae.files import resolved


class Listed(TypedDict):
    """A known set as a list shows it: what it is, and where it lies; `found` is empty where it would be downloaded."""

    name: str
    forms: list[str]
    what: str
    shape: list[int]
    bits: int
    sizes: dict[str, int]
    licence: str
    found: str
    searched: list[str]
    download: list[str]


MISSING = "was found nowhere"
"""What is said of a data set that is not at hand."""


def base(name: str) -> str:
    """The published set that a name is a form of.

    >>> base("mnist-dynamic"), base("mnist-static")
    ('mnist', 'mnist-static')
    """
    return name.removesuffix("-dynamic").removesuffix("-binary")


def read_known(config: DataConfig) -> Raw:
    """The known set of images that a config names, as `found_set` finds it."""
    return found_set(SETS[base(config.name)], config)


def found_set(entry: KnownSet[R], config: DataConfig) -> R:
    """A known set from the first place that holds it, or downloaded.

    Raises HvaeError with every place searched when it is nowhere.
    """
    if entry.made is not None:
        return entry.made()
    location = entry.found(config.root)
    if location is not None and entry.is_spoilt(location[0]):
        _renew(entry, location[0], config)
    if location is None:
        _download(entry, config)
    location = entry.found(config.root)
    if location is None:
        raise _missing(entry, config, "the download left no complete set")
    place, layout = location
    try:
        raw = layout.read(place)
    except HvaeError:
        raise
    except DAMAGED as fault:  # files of the right names may hold anything
        why = " ".join(str(fault).split())[:200] or type(fault).__name__
        raise HvaeError(f"{place}: its files are not those of '{entry.name}' ({why}); fetch them again") from fault
    return raw.located(str(resolved(place)), entry.version(raw))


def check_known(config: DataConfig) -> None:
    """Raises HvaeError where a known set is nowhere on this machine and nothing may or can bring it here."""
    name = base(config.name)
    sequences = sets(config)
    entry: KnownSet[Any] = sequences[name] if name in sequences else SETS[name]
    files = entry.of or entry
    if files.made is None and files.found(config.root) is None:
        _check_remote(files, config)


def _check_remote(entry: KnownSet[Any], config: DataConfig) -> None:
    if not config.download:
        raise _missing(entry, config, "downloading is switched off (data.download)")
    if not entry.remotes:
        raise _missing(entry, config, f"{entry.scarce} ({entry.licence})")


def _renew(entry: KnownSet[Any], place: Path, config: DataConfig) -> None:
    if not config.download:
        raise HvaeError(
            f"{place}: a file of '{entry.name}' has changed since its download; set data.download, or data.root"
        )
    fetch([remote for remote in entry.remotes if (place / remote.file).exists()], place)


def _download(entry: KnownSet[Any], config: DataConfig) -> None:
    _check_remote(entry, config)
    try:
        fetch(entry.remotes, entry.searched("")[-1])
    except HvaeError as fault:
        raise _missing(entry, config, str(fault)) from fault


def _missing(entry: KnownSet[Any], config: DataConfig, why: str) -> HvaeError:
    searched = ", ".join(map(str, entry.searched(config.root)))
    files = " or ".join(" + ".join(layout.files) for layout in entry.layouts)
    return HvaeError(
        f"data set '{entry.name}' {MISSING}; searched: {searched}; then: {why}; "
        f"name a folder that holds it with data.root, or put into one of these folders: {files}"
    )


def listing(root: str = "") -> list[Listed]:
    """What is known of each set and where it was found: one dict a set, ready for JSON."""
    every: list[KnownSet[Any]] = [*SETS.values(), *sets(DataConfig()).values()]
    return [_listed(entry, root) for entry in every]


def _listed(entry: KnownSet[Any], root: str) -> Listed:
    files = entry.of or entry
    at = files.found(root)
    return {
        "name": entry.name,
        "forms": [name for name in KNOWN if base(name) == entry.name],
        "what": entry.what,
        "shape": list(entry.shape),
        "bits": entry.bits,
        "sizes": dict(entry.sizes),
        "licence": entry.licence,
        "found": "built in" if files.made else str(at[0]) if at else "",
        "searched": [str(place) for place in files.searched(root)],
        "download": [address for remote in files.remotes for address in remote.addresses[:1]],
    }
