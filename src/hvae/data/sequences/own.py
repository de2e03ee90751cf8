"""Sequences of the user's own: what kind they are, and who reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from hvae.config.data import BESIDE, DataConfig, check_kind
from hvae.data.formats import read_archive
from hvae.data.sequences.audio import SUFFIXES as AUDIO
from hvae.data.sequences.audio import read_audio
from hvae.data.sequences.frames import FRAMES, GIF
from hvae.data.sequences.known import beside
from hvae.data.sequences.midi import SUFFIXES as MIDI
from hvae.data.sequences.midi import midi_part
from hvae.data.sequences.motion import read_motion
from hvae.data.sequences.raw import RawSequences
from hvae.data.sequences.rolls import TITLES, read_rolls, rolls
from hvae.data.sequences.text import read_text
from hvae.data.sequences.video import read_video
from hvae.errors import HvaeError
from hvae.files import expanded

Reader = Callable[[Path, DataConfig], RawSequences]


def _rolls(path: Path, config: DataConfig) -> RawSequences:
    if not _holds(path, MIDI):
        return read_rolls(path)
    part, tally = midi_part(path, config)
    return replace(
        rolls({"train": part}, seconds=0.125), transforms=("sixteenths of 88 keys, without drums",), tally=tally
    )


READERS: Mapping[str, Reader] = {
    "rolls": _rolls,
    "audio": read_audio,
    "text": read_text,
    "motion": read_motion,
    "video": read_video,
}
KINDS: Mapping[str, str] = {
    **dict.fromkeys((".mat", ".npz", ".npy", *MIDI), "rolls"),
    **dict.fromkeys(AUDIO, "audio"),
    ".txt": "text",
    **dict.fromkeys((".csv", ".bvh"), "motion"),
    **dict.fromkeys((GIF, *FRAMES), "video"),
}
"""What a file is by its ending, unless data.kind says it."""
BESIDE_OTHERS = (".csv", ".txt")
"""Endings of what may be said of other files, beside sequences of their own."""


def read_own(config: DataConfig) -> RawSequences:
    """The sequences of data.path.  Raises HvaeError for a place or a kind that cannot be read."""
    path = expanded(config.path)
    if not path.exists():
        raise HvaeError(f"data.path={config.path}: no such file or folder (looked in {path.absolute()})")
    kind = config.kind if config.kind != "auto" else _kind(path, config.captions == BESIDE)
    if kind not in READERS:
        raise HvaeError(f"data.kind={kind}: expected one of {', '.join(READERS)}")
    check_kind(config, kind)
    return beside(READERS[kind](path, config), path, config)


def _holds(path: Path, suffixes: tuple[str, ...]) -> bool:
    files = path.rglob("*") if path.is_dir() else [path]
    return any(file.suffix.lower() in suffixes for file in files)


def _kind(path: Path, captioned: bool) -> str:
    """The kind of the first file that has one.

    Tables and texts may speak of the files that they lie among, and count where there are no others; a text never where
    texts are captions.
    """
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    endings = [one for file in files if (one := file.suffix.lower()) in KINDS and not (captioned and one == ".txt")]
    endings.sort(key=lambda one: one in BESIDE_OTHERS)
    kind = KINDS[endings[0]] if endings else ""
    if not kind:
        raise HvaeError(f"{path}: expected files that end in {', '.join(KINDS)}, got none; name one by data.kind")
    if path.suffix == ".npz":
        _check_alone(path)
    return kind


def _check_alone(path: Path) -> None:
    """Raises HvaeError for an .npz whose arrays may be many piano rolls or one film each."""
    arrays = read_archive(path)
    titles = {title for titles in TITLES.values() for title in titles}
    for name, array in arrays.items():
        if array.ndim == 3 and name not in titles and f"{name}_len" not in arrays:
            raise HvaeError(
                f"{path} ({name}): {array.shape} may be {len(array):,} piano rolls or series (T, keys), or one film "
                "(T, H, W); say which by data.kind=rolls, motion or video"
            )
