"""Sounds of a listening test from folders: one of references, and one of each system with files of the same names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hvae.data.sequences.audio import SUFFIXES, Sound, sound_of
from hvae.errors import HvaeError, short
from hvae.files import read_regular
from hvae.study.listening.trials import MOST_BYTES, REFERENCE, Items, check_size, check_system

FEW = 3


def of_folders(reference: Path, systems: Mapping[str, Path]) -> tuple[Items, int]:
    """{item: {condition: (N,) int16}} and samples a second; items are the names of the files without their endings.

    Raises HvaeError, before any is read, for names that are not in all folders and for more than a page holds, and then
    for files that cannot be read or have another rate.
    """
    folders = {REFERENCE: reference, **systems}
    for name in systems:
        check_system(name)
    files = {name: _files(folder) for name, folder in folders.items()}
    for name, folder in folders.items():
        _check_same(files[REFERENCE], files[name], reference, folder)
    check_size(sum(file.stat().st_size for some in files.values() for file in some.values()))
    sounds = {
        name: {item: sound_of(read_regular(file, MOST_BYTES), str(file)) for item, file in some.items()}
        for name, some in files.items()
    }
    check_size(sum(one.samples.nbytes for some in sounds.values() for one in some.values()))  # FLAC packs
    rate = _rate(sounds)
    return {item: {name: sounds[name][item].samples for name in folders} for item in files[REFERENCE]}, rate


def _files(folder: Path) -> dict[str, Path]:
    """The files of sound below a folder by their names without endings."""
    if not folder.is_dir():
        raise HvaeError(f"{folder}: expected a folder of sounds ({', '.join(SUFFIXES)}), got none")
    files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in SUFFIXES and file.is_file()]
    by_item = {_item(file, folder): file for file in files}
    if len(by_item) < len(files):
        raise HvaeError(f"{folder}: expected one file of each name, got two that differ in their endings; remove one")
    if not by_item:
        raise HvaeError(f"{folder}: expected files that end in {', '.join(SUFFIXES)}, got none")
    return by_item


def _item(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()


def _check_same(expected: Mapping[str, Path], items: Mapping[str, Path], reference: Path, folder: Path) -> None:
    missing, more = expected.keys() - items.keys(), items.keys() - expected.keys()
    if missing or more:
        faults = [f"no {_listed(missing)}"] * bool(missing) + [f"also {_listed(more)}"] * bool(more)
        raise HvaeError(f"{folder}: expected the names in {reference}, got {' and '.join(faults)}; add or remove them")


def _listed(names: set[str]) -> str:
    return ", ".join(map(short, sorted(names)[:FEW])) + f" and {len(names) - FEW} more" * (len(names) > FEW)


def _rate(sounds: Mapping[str, Mapping[str, Sound]]) -> int:
    first, *others = [one for some in sounds.values() for one in some.values()]
    for other in others:
        if other.rate != first.rate:
            raise HvaeError(
                f"expected one sample rate, got {first.rate:,} in {first.name} and {other.rate:,} in {other.name}; "
                "convert them to one"
            )
    return first.rate
