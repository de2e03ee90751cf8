"""hvae decompress: the pictures of a file that hvae compress has written."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.cli import lossy
from hvae.cli.compress import WORKERS, codec_of
from hvae.cli.parser import Parser
from hvae.cli.voice import Voice
from hvae.errors import HvaeError
from hvae.files import making

if TYPE_CHECKING:
    from hvae.coding import File, Picture

ABOUT = (
    "Turn a file of hvae compress back into its pictures, as PNG (arrays as .npy). The model must be the one that "
    "wrote the file, to the last weight; everything is checked, and nothing is written unless all of it is right."
)
EXAMPLES = (
    "hvae decompress holiday.hvz back.png",
    "hvae decompress all.hvz pictures --run runs/photos",
    "hvae decompress all.hvz third.png --only 2",
    "hvae decompress holiday.hvz preview.png --levels 3",
)


def parser() -> Parser:
    made = Parser("decompress", ABOUT, EXAMPLES, "FILE.hvz DEST [--run RUN] [--only INDEX] [--levels K] [--json]")
    made.add_argument("file", metavar="FILE.hvz", help="what hvae compress has written")
    made.add_argument("dest", metavar="DEST", help="a .png (or .npy) file for one picture, else a new folder")
    made.add_argument("--run", default="", metavar="RUN", help="the run it was made with [where it was then]")
    made.add_argument("--levels", type=int, metavar="K", help=lossy.LEVELS)
    made.add_argument("--only", type=int, metavar="INDEX", help="this picture alone, from 0; others are not decoded")
    made.add_argument("--workers", type=int, default=0, metavar="N", help=WORKERS)
    return made


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    voice, place, dest = Voice(args.json), Path(args.file), Path(args.dest)
    started = time.perf_counter()
    with voice.working():
        try:
            content = place.read_bytes()
        except OSError as fault:
            raise HvaeError(f"{place} cannot be read: {fault.strerror}; give a file of hvae compress") from fault
        pictures, bits = _opened(content, place, args, voice)
        written = _written(pictures, dest, bits)
    seconds = time.perf_counter() - started
    voice.answer({"out": str(dest), "files": [str(f) for f in written], "pictures": len(pictures), "seconds": seconds})
    if not args.json:
        voice.show(f"{len(pictures)} pictures in {dest} ({seconds:.1f} s)")


def _opened(content: bytes, place: Path, args: Namespace, voice: Voice) -> tuple[list[Picture], int]:
    from hvae.coding import CLASSIC, opened, read, without_model

    part = opened(content, args.levels)
    if part is None and args.levels is not None:
        raise HvaeError(f"--levels: {place} was compressed without loss and has no previews; leave it out")
    file = part or read(content)
    if file.header.order == CLASSIC and not args.run:
        return without_model(file, args.only), file.header.bits
    from hvae.checkpoints import load

    where = args.run or _found(file, place)
    run = load(where)
    if part is not None:
        return lossy.decompress(part, run, where, args, voice), file.header.bits
    codec = codec_of(run, where)
    with voice.bar("decompressing") as tick:
        return codec.decompress(file, args.only, tick, args.workers), file.header.bits


def _found(file: File, place: Path) -> str:
    """Where the run was when the file was made, seen from here or from the file."""
    said = file.header.run
    for candidate in (Path(said), place.parent / said, place.parent / Path(said).name):
        if said and candidate.exists():
            return str(candidate)
    raise HvaeError(f"{place} was made with the run {said or '(untold)'}, which is not here; give it with --run RUN")


def _written(pictures: Sequence[Picture], dest: Path, bits: int) -> list[Path]:
    """Pictures to one file, or to a new folder; arrays that share a name to one .npy."""
    from hvae.coding import Picture, save_picture

    found = [*_stacked(pictures)]
    if len(found) == 1 and dest.suffix.lower() in (".png", ".npy"):
        save_picture(dest, found[0], bits)
        return [dest]
    if dest.suffix:
        raise HvaeError(
            f"expected a folder for {len(found)} pictures, got {dest}; name a folder, or one with --only INDEX"
        )
    if dest.exists() and not (dest.is_dir() and not any(dest.iterdir())):
        raise HvaeError(f"{dest} already exists; name a new folder")
    names = _names(found)
    with making(dest) as temporary:
        for name, picture in zip(names, found, strict=True):
            assert isinstance(picture, Picture)
            save_picture(temporary / name, picture, bits)
    return [dest / name for name in names]


def _stacked(pictures: Sequence[Picture]) -> list[Picture]:
    """Neighbouring arrays of one name and shape as one array (N, ...)."""
    from itertools import groupby

    import numpy as np

    from hvae.coding import MODES, Picture

    def kind(picture: Picture) -> tuple[object, ...]:
        return (picture.name, picture.levels.shape) if MODES[picture.mode] == "array" else (id(picture),)

    found: list[Picture] = []
    for _, group in groupby(pictures, kind):
        same = list(group)
        array = MODES[same[0].mode] == "array"
        found.append(Picture(same[0].name, np.stack([p.levels for p in same]), 0) if array else same[0])
    return found


def _names(pictures: Sequence[Picture]) -> list[str]:
    """File names that are safe, whatever the file says, and all different."""
    from hvae.coding import MODES

    found: list[str] = []
    for i, picture in enumerate(pictures):
        suffix = ".npy" if MODES[picture.mode] == "array" else ".png"
        stem = Path(picture.name.replace("\\", "/")).stem.strip(". ") or f"{i:04d}"
        name = stem + suffix
        found.append(name if name not in found else f"{stem}-{i:04d}{suffix}")
    return found
