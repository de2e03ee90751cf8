"""Films as people keep them: a GIF, or a folder whose pictures are the frames, in the order of their numbers.

Shapes: `T` frames; `C` channels; `H W` space.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hvae.capacity import check_memory
from hvae.data.transforms import Array
from hvae.errors import HvaeError
from hvae.picturefiles import opened, pages, size_upright, upright
from hvae.picturefolders import SUFFIXES

GIF = ".gif"
FRAMES = tuple(suffix for suffix in SUFFIXES if suffix != GIF)
"""Endings of pictures that are one frame; a GIF is a film of its own."""
_DIGITS = 20


def films_at(path: Path) -> list[Path]:
    """The GIFs at or below a place, and the folders there that hold frames, by name.  Raises HvaeError for none."""
    if not path.is_dir():
        return [path]
    files = [file for file in path.rglob("*") if not file.name.startswith(".")]
    gifs = [file for file in files if file.suffix.lower() == GIF]
    folders = {file.parent for file in files if file.suffix.lower() in FRAMES}
    if not (gifs or folders):
        raise HvaeError(f"{path}: expected GIFs, or folders of frames ({', '.join(FRAMES)}), got none")
    return sorted([*gifs, *folders])


def film_of(place: Path) -> Array:
    """The film of a GIF, or of a folder of frames, (T, C, H, W) bytes; one channel where every frame is grey.

    Raises HvaeError for what is no picture, frames of different sizes, and more of them than memory holds.
    """
    film = np.stack(_of_folder(place) if place.is_dir() else _of_gif(place))
    is_grey = (film == film[:, :1]).all()
    return film[:, :1] if is_grey else film


def in_colours_of_all(films: Sequence[Array]) -> list[Array]:
    """Films in three channels, unless all are grey: a grey one among coloured ones is one of theirs."""
    most = max((film.shape[1] for film in films), default=1)
    return [film if film.shape[1] == most else film.repeat(most, 1) for film in films]


def in_order(files: Iterable[Path]) -> list[Path]:
    """Frames by the numbers in their names: frame 2 comes before frame 10.

    >>> [file.name for file in in_order([Path("f10.png"), Path("f2.png")])]
    ['f2.png', 'f10.png']
    """
    return sorted(files, key=lambda file: [part.zfill(_DIGITS) for part in re.split(r"(\d+)", file.name)])


def _of_folder(folder: Path) -> list[Array]:
    files = in_order(
        file for file in folder.iterdir() if file.suffix.lower() in FRAMES and not file.name.startswith(".")
    )
    first, frames = (0, 0), []
    for number, file in enumerate(files):
        with opened(file) as image:
            size = size_upright(image)
            if not number:
                first = size
                check_memory(3 * size[0] * size[1] * len(files), str(folder))
            if size != first:
                raise HvaeError(f"{file.name}: expected frames of {first[0]} x {first[1]}, got {size[0]} x {size[1]}")
            frames.append(_frame(upright(image), file.name))
    return frames


def _of_gif(file: Path) -> list[Array]:
    with opened(file) as image:
        width, height = image.size
        check_memory(getattr(image, "n_frames", 1) * 3 * width * height, str(file))
        return [_frame(image, file.name) for _ in pages(image)]


def _frame(image: Image.Image, name: str) -> Array:
    """One picture on white paper, (3, H, W) bytes."""
    if image.mode[0] in "IF":
        raise HvaeError(f"{name}: expected frames of 8 bits, got a picture of mode {image.mode}; convert it")
    if "A" in image.mode:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return np.asarray(image.convert("RGB")).transpose(2, 0, 1)
