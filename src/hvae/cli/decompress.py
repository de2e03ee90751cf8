"""hvae decompress: the pictures of a file that hvae compress has written."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hvae.cli import lossy
from hvae.cli.compress import WORKERS, codec_of
from hvae.cli.parser import Parser, whole
from hvae.cli.places import check_place, enough_memory, free_name, safe
from hvae.cli.voice import Voice
from hvae.errors import HvaeError
from hvae.files import making, read_regular
from hvae.screen.text import for_screen

if TYPE_CHECKING:
    from hvae.coding import File, Header, Picture

ABOUT = (
    "Turn a file of hvae compress back into its pictures, as PNG (arrays as .npy), in a new folder as they lay in the "
    "one that was compressed. The model must be the one that wrote the file, to the last weight. Nothing is written "
    "unless all that is written is right: of a file without loss every block is checked, with --only those of one "
    "picture; of a file made with --quality every chunk of the levels that are shown. Such a file may be cut: it shows "
    "the levels that are there whole, and that is said (--json: levels, levels_written, complete); one without its top "
    "level shows nothing. What exists already is never replaced."
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
    dest = "a file that ends in .png (.npy) for one picture (array), else a new folder; missing folders are made"
    made.add_argument("dest", metavar="DEST", help=dest)
    made.add_argument("--run", default="", metavar="RUN", help="the run it was made with [where it was then]")
    made.add_argument("--levels", type=whole(1), metavar="K", help=lossy.LEVELS)
    made.add_argument(
        "--only", type=whole(0), metavar="INDEX", help="this picture alone, from 0; others are not decoded"
    )
    made.add_argument("--workers", type=whole(0, 1024), default=0, metavar="N", help=WORKERS)
    return made


class Shown(NamedTuple):
    """What comes out of a file: how many levels of how many it shows, where it has levels."""

    pictures: list[Picture]
    levels: int | None = None
    written: int | None = None


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    voice, place, dest = Voice(args.json), Path(args.file), Path(args.dest)
    started = time.perf_counter()
    check_place(dest)
    with voice.working(), enough_memory():
        file, levels = _opened(place, args)
        _check_dest(dest, file.header, args.only)
        shown = _decoded(file, levels, place, args, voice)
        files = _written(shown.pictures, dest, file.header.bits)
    seconds, number = time.perf_counter() - started, len(shown.pictures)
    depth = {"levels": shown.levels, "levels_written": shown.written, "complete": shown.levels == shown.written}
    voice.answer({"out": str(dest), "files": [*map(str, files)], "pictures": number, "seconds": seconds, **depth})
    if not args.json:
        voice.show(f"{number} pictures in {for_screen(dest)} ({seconds:.1f} s)")


def _opened(place: Path, args: Namespace) -> tuple[File, bool]:
    """A file, and whether it has levels."""
    from hvae.coding import opened, read

    content = read_regular(place)
    part = opened(content)
    if part is None and args.levels is not None:
        raise HvaeError(f"--levels: {place} was compressed without loss and has no previews; leave it out")
    return (part, True) if part is not None else (read(content), False)


def _check_dest(dest: Path, header: Header, only: int | None) -> None:
    """Raises HvaeError, before any work, unless what will come out can go there."""
    from hvae.picturefiles import SUFFIXES

    suffix, found = dest.suffix.lower(), _suffixes(header, only)
    if suffix in (".png", ".npy"):
        if len(found) > 1:
            raise HvaeError(
                f"expected a folder for {len(found)} pictures, got {dest}; name a folder, or one with --only INDEX"
            )
        if found != [suffix]:
            raise HvaeError(f"expected a file name that ends in {found[0]}, got {dest}: what comes out is lossless")
    elif suffix in SUFFIXES:
        raise HvaeError(f"expected a .png file, or a folder, got {dest}; pictures are written as PNG")
    if dest.exists() and not (dest.is_dir() and suffix not in (".png", ".npy") and not any(dest.iterdir())):
        raise HvaeError(f"{dest} already exists; name a new file or folder")


def _suffixes(header: Header, only: int | None) -> list[str]:
    """One a file that will be written: neighbouring arrays of one name and size share one."""
    from hvae.coding import MODES
    from hvae.coding.files.reading import chosen, each_item

    items = each_item(header)
    wanted = [(items[i].name, items[i].mode, items[i].height, items[i].width) for i in chosen(only, len(items))]
    kinds = [(MODES[one[1]] == "array", one if MODES[one[1]] == "array" else i) for i, one in enumerate(wanted)]
    return [".npy" if array else ".png" for (array, _), _ in groupby(kinds)]


def _decoded(file: File, levels: bool, place: Path, args: Namespace, voice: Voice) -> Shown:
    from hvae.coding import CLASSIC, without_model

    if file.header.order == CLASSIC and not args.run:
        return Shown(without_model(file, args.only))
    from hvae.checkpoints import load

    where = args.run or _found(file, place)
    run = load(where)
    if levels:
        return Shown(*lossy.decompress(file, run, where, args, voice))
    codec = codec_of(run, where)
    with voice.bar("decompressing") as tick:
        return Shown(codec.decompress(file, args.only, tick, args.workers))


def _found(file: File, place: Path) -> str:
    """Where the run was when the file was made, seen from here or from the file."""
    said = file.header.run
    for candidate in (Path(said), place.parent / said, place.parent / Path(said).name):
        if said and "\0" not in said and candidate.exists():
            return str(candidate)
    raise HvaeError(f"{place} was made with the run {said or '(untold)'}, which is not here; give it with --run RUN")


def _written(pictures: Sequence[Picture], dest: Path, bits: int) -> list[Path]:
    """Pictures to one file, or to a new folder; arrays that share a name to one .npy."""
    from hvae.coding import MODES, save_picture

    found, names = _stacked(pictures), list[Path]()
    if dest.suffix.lower() in (".png", ".npy"):
        save_picture(dest, found[0], bits)
        return [dest]
    with making(dest) as temporary:
        for i, picture in enumerate(found):
            suffix = ".npy" if MODES[picture.mode] == "array" else ".png"
            name = free_name(temporary, safe(picture.name, suffix, i), i)
            save_picture(temporary / name, picture, bits)
            names.append(dest / name)
    return names


def _stacked(pictures: Sequence[Picture]) -> list[Picture]:
    """Neighbouring arrays of one name and shape as one array (N, ...)."""
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
