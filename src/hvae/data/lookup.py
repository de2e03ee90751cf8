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
from hvae.errors import HvaeError


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


def found_set(known: KnownSet[R], config: DataConfig) -> R:
    """A known set from the first place that holds it, or downloaded.

    Raises HvaeError with every place searched when it is nowhere.
    """
    if known.made is not None:
        return known.made()
    found = known.found(config.root)
    if found is not None and known.is_spoilt(found[0]):
        _renew(known, found[0], config)
    if found is None:
        _download(known, config)
    found = known.found(config.root)
    if found is None:
        raise _missing(known, config, "the download left no complete set")
    place, layout = found
    raw = layout.read(place)
    return raw.located(str(place.resolve()), known.version(raw))


def check_known(config: DataConfig) -> None:
    """Raises HvaeError where a known set is nowhere on this machine and nothing may or can bring it here."""
    name = base(config.name)
    sequences = sets(config)
    known: KnownSet[Any] = sequences[name] if name in sequences else SETS[name]
    files = known.of or known
    if files.made is None and files.found(config.root) is None:
        _check_remote(files, config)


def _check_remote(known: KnownSet[Any], config: DataConfig) -> None:
    if not config.download:
        raise _missing(known, config, "downloading is switched off (data.download)")
    if not known.remotes:
        raise _missing(known, config, f"{known.scarce} ({known.licence})")


def _renew(known: KnownSet[Any], place: Path, config: DataConfig) -> None:
    if not config.download:
        raise HvaeError(
            f"{place}: a file of '{known.name}' has changed since its download; set data.download, or data.root"
        )
    fetch([remote for remote in known.remotes if (place / remote.file).exists()], place)


def _download(known: KnownSet[Any], config: DataConfig) -> None:
    _check_remote(known, config)
    try:
        fetch(known.remotes, known.searched("")[-1])
    except HvaeError as fault:
        raise _missing(known, config, str(fault)) from fault


def _missing(known: KnownSet[Any], config: DataConfig, why: str) -> HvaeError:
    searched = ", ".join(map(str, known.searched(config.root)))
    wanted = " or ".join(" + ".join(layout.files) for layout in known.layouts)
    return HvaeError(
        f"data set '{known.name}' {MISSING}; searched: {searched}; then: {why}; "
        f"name a folder that holds it with data.root, or put into one of these folders: {wanted}"
    )


def listing(root: str = "") -> list[Listed]:
    """What is known of each set and where it was found: one dict a set, ready for JSON."""
    every: list[KnownSet[Any]] = [*SETS.values(), *sets(DataConfig()).values()]
    return [_listed(known, root) for known in every]


def _listed(known: KnownSet[Any], root: str) -> Listed:
    files = known.of or known
    at = files.found(root)
    return {
        "name": known.name,
        "forms": [name for name in KNOWN if base(name) == known.name],
        "what": known.what,
        "shape": list(known.shape),
        "bits": known.bits,
        "sizes": dict(known.sizes),
        "licence": known.licence,
        "found": "built in" if files.made else str(at[0]) if at else "",
        "searched": [str(place) for place in files.searched(root)],
        "download": [address for remote in files.remotes for address in remote.addresses[:1]],
    }
