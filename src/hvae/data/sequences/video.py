r"""Video: films of one size as .npz arrays, GIFs or folders of frames, and digits that move, drawn here.

The position of a digit of side s on a field of side S goes along a line and is mirrored at the edges, by the field
of Srivastava et al. 2015, arXiv 1502.04681, sec. 4.1:

$$u_t = r(u_0 + v t), \qquad r(u) = R - |(u \bmod 2R) - R|, \quad R = S - s$$

Shapes: `N` films; `T` frames; `C` channels; `H W` space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hvae.capacity import check_memory
from hvae.config.data import DataConfig
from hvae.data.formats import read_archive
from hvae.data.sequences.folder import read_places
from hvae.data.sequences.form import SequenceForm
from hvae.data.sequences.frames import film_of, films_at, in_colours_of_all
from hvae.data.sequences.raw import RawSequences, SequencePart, joined
from hvae.data.sequences.rolls import by_split, listed
from hvae.data.transforms import Array
from hvae.errors import HvaeError

FIELD, FRAMES, SPEED = 64, 20, 0.1
"""Pixels a side, frames, and what of the field a digit crosses from one frame to the next."""
HELD_OUT = 200
"""Films to validate on, and as many to test on."""
SEED = 0
CHANNELS = (1, 3)
GIF_SECONDS = 0.1


def films(parts: dict[str, SequencePart], seconds: float, version: str = "", source: str = "") -> RawSequences:
    """Films of 8 bits."""
    form = SequenceForm(kind="video", step="frame", seconds=seconds)
    return RawSequences(parts=parts, bits=8, unit=255.0, form=form, version=version, source=source)


def read_video(path: Path, config: DataConfig) -> RawSequences:
    """A user's own: an .npz of films (T, H, W) or (T, C, H, W) of bytes, named as piano rolls are, or GIFs, or folders
    whose pictures are the frames of one film each."""
    if path.suffix == ".npz":
        arrays = read_archive(path)
        arrays_of = by_split(listed(arrays, str(path)))
        parts = arrays_of if "train" in arrays_of else {"train": _loose(arrays, path)}
        return films({s: joined([_film(one, str(path)) for one in some], str(path)) for s, some in parts.items()}, 0.0)
    readable = read_places(path, films_at(path), film_of, config.bad, len, lambda film: f"frames {film.shape[1:]}")
    part = joined(in_colours_of_all(readable.content), str(path), names=readable.names)
    return replace(films({"train": part}, GIF_SECONDS), tally=readable.tally)


def _loose(arrays: Mapping[str, Array], path: Path) -> list[Array]:
    """The films of arrays that are named by no split: one each, unless NAME_len says where each ends.

    Raises HvaeError for arrays that may be many films.
    """
    for name, array in arrays.items():
        if array.ndim == 4 and f"{name}_len" not in arrays and not _is_certain(array.shape):
            raise HvaeError(
                f"{path} ({name}): {array.shape} may be one film (T, C, H, W) or {len(array):,} films (T, H, W); name "
                f"the array train for many, or say by an array {name}_len where each ends"
            )
    cut = {name for name in arrays if name.endswith("_len") or f"{name}_len" in arrays}
    single = {name: array[None] for name, array in arrays.items() if name not in cut}
    return [film for some in listed({**arrays, **single}, str(path)).values() for film in some]


def _is_certain(shape: Sequence[int]) -> bool:
    """Whether (T, C, H, W) or (T, H, W, C) can be nothing else: films of one frame are none."""
    return shape[1] == 1 or (shape[3] in CHANNELS and shape[1] not in CHANNELS)


def _film(array: Array, where: str) -> Array:
    """One film (T, C, H, W) of bytes.  Raises HvaeError for other values and shapes."""
    film = array[:, None] if array.ndim == 3 else array
    if film.ndim != 4 or film.dtype != np.uint8:
        raise HvaeError(f"{where}: expected films (T, H, W) or (T, C, H, W) of bytes, got {array.dtype} {array.shape}")
    if film.shape[1] not in CHANNELS and film.shape[3] in CHANNELS:
        film = film.transpose(0, 3, 1, 2)
    if film.shape[1] not in CHANNELS:
        raise HvaeError(f"{where}: expected 1 or 3 channels, got films of shape {array.shape}")
    return film


def film_counts(config: DataConfig) -> dict[str, int]:
    """How many films of moving digits each split has."""
    return {"train": config.films, "valid": HELD_OUT, "test": HELD_OUT}


def moving_digits(config: DataConfig) -> RawSequences:
    """Digits of MNIST that move and bounce: training films of its training digits, others of its test digits."""
    from hvae.data.catalogue import MNIST
    from hvae.data.lookup import found_set

    mnist = found_set(MNIST, DataConfig(name="mnist", root=config.root, download=config.download))
    counts = film_counts(config)
    check_memory(2 * sum(counts.values()) * FRAMES * FIELD**2, "films of moving digits")
    parts = {}
    for number, (split, count) in enumerate(counts.items()):
        random = np.random.default_rng((SEED, number))
        digits = mnist.parts["train" if split == "train" else "test"].levels[:, 0]
        parts[split] = joined(list(drawn(digits, count, config.digits, random)), f"moving-mnist ({split})")
    version = f"drawn from MNIST with seed {SEED}; not the published file"
    return films(parts, GIF_SECONDS, version, mnist.source)


def drawn(digits: Array, count: int, each: int, random: np.random.Generator) -> Array:
    """Films (count, T, 1, S, S) of so many of the digits (M, s, s) each.

    >>> film = drawn(np.full((1, 28, 28), 255, np.uint8), 1, 2, np.random.default_rng(0))
    >>> film.shape, bool((film[0, :, 0].sum((1, 2)) >= 255 * 28 * 28).all())
    ((1, 20, 1, 64, 64), True)
    """
    side = digits.shape[1]
    room = FIELD - side
    indices = random.integers(0, len(digits), (count, each))
    place = paths(room, count, each, random)
    films = np.zeros((count, FRAMES, 1, FIELD, FIELD), np.uint8)
    for film, digit, t in np.ndindex(count, each, FRAMES):
        y, x = place[film, digit, t]
        spot = films[film, t, 0, y : y + side, x : x + side]
        np.maximum(spot, digits[indices[film, digit]], out=spot)
    return films


def paths(room: int, count: int, each: int, random: np.random.Generator) -> Array:
    """The corners (count, each, T, 2) of digits that have so many pixels of room."""
    start = random.uniform(0, room, (count, each, 1, 2))
    angle = random.uniform(0, 2 * np.pi, (count, each, 1))
    velocity = SPEED * FIELD * np.stack([np.sin(angle), np.cos(angle)], -1)  # (count, digits, 1, 2)
    line = start + velocity * np.arange(FRAMES)[:, None]
    return np.rint(room - np.abs(line % (2 * room) - room)).astype(int)


def gif(frames: Sequence[Array], seconds: float) -> bytes:
    """Frames (C, H, W) of bytes as an animated GIF."""
    import io

    from PIL import Image

    images = [Image.fromarray(f[0] if len(f) == 1 else f.transpose(1, 2, 0)) for f in frames]
    out = io.BytesIO()
    images[0].save(out, "GIF", save_all=True, append_images=images[1:], duration=round(1000 * seconds), loop=0)
    return out.getvalue()
