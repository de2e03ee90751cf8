"""The pictures that hvae compress is given: image files, folders of them, arrays of levels, or a run's own data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.cli.voice import Voice
from hvae.errors import HvaeError
from hvae.heap import check_memory
from hvae.screen.text import for_screen

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.coding import Picture
    from hvae.data import Split

SPLITS = ("test", "valid", "train")
BAD = "data.bad"
"""The option that says what becomes of pictures that cannot be read."""


def is_split(source: str) -> bool:
    """Whether an input names a part of the run's own data."""
    return source in SPLITS and not Path(source).exists()


def pictures_of(
    source: str, run: LoadedRun, number: int | None, dotted: Mapping[str, str], voice: Voice
) -> list[Picture]:
    """The pictures of one input; of the run's own data the first `number`.

    Raises HvaeError when there are none, when the model cannot take them, and, unless `data.bad` is to skip them, with
    the names of all that cannot be read.
    """
    path = Path(source).expanduser()
    if is_split(source):
        return _levels(split_of(source, run, dotted), source, number)
    if not path.exists():
        raise HvaeError(
            f"nothing at {source}; expected an image, a folder of images, an .npy file, or {', '.join(SPLITS)}"
        )
    return _array(path, run) if path.suffix == ".npy" else _files(path, run, dotted.get(BAD, "stop"), voice)


def _files(path: Path, run: LoadedRun, bad: str, voice: Voice) -> list[Picture]:
    from hvae.coding.files.imagefiles import memory_of
    from hvae.coding.files.pictures import check_name
    from hvae.picturefiles import SUFFIXES, listed

    files = [file.path for file in listed(path).files] if path.is_dir() else [path]
    if not files:
        raise HvaeError(f"no image found below {path}; expected files that end in {', '.join(SUFFIXES)}")
    if len(run.model.shape) != 3:
        raise HvaeError(f"{run.folder} takes vectors {run.model.shape}, not images; give an .npy array of levels")
    # The place below the folder is part of the name, so that two pictures of one name stay apart.
    names = [file.relative_to(path).as_posix() if path.is_dir() else file.name for file in files]
    for name in names:
        check_name(name)  # before any is read
    check_memory(sum(map(memory_of, files)), str(path))
    opened = _opened(files, run, bad, voice)
    return [replace(picture, name=name) for picture, name in zip(opened, names, strict=True) if picture is not None]


def _opened(files: Sequence[Path], run: LoadedRun, bad: str, voice: Voice) -> list[Picture | None]:
    """Each file as a picture, None for those that are left out."""
    from hvae.coding import open_picture
    from hvae.picturefiles import REPLACE, named_at_once, reason

    pictures: list[Picture | None] = []
    faults: list[tuple[str, str]] = []
    for file in files:
        try:
            pictures.append(open_picture(file, run.model.shape[0], run.bits))
        except HvaeError as fault:
            pictures.append(None)
            faults.append((for_screen(file), reason(for_screen(file), fault)))
    if faults and (bad != "skip" or len(faults) == len(files)):
        raise HvaeError(f"{named_at_once(faults)}; {REPLACE}, or set --{BAD} skip")
    if faults:
        voice.tell(f"left out: {named_at_once(faults)}")
    return pictures


def changes(pictures: Sequence[Picture]) -> str:
    """How the pictures differ from what their files hold, in a line; empty where they do not."""
    counts = Counter(change for picture in pictures for change in picture.changes)
    return "; ".join(f"{count:,} picture{'s' * (count != 1)} {change}" for change, count in counts.items())


def split_of(name: str, run: LoadedRun, dotted: Mapping[str, str]) -> Split:
    """A part of the run's own data, without chance.  Raises HvaeError where the data are not those of the run."""
    from hvae.data import load

    data = load(run.config.override(dotted).data)
    if data.shape != run.model.shape or data.bits != run.bits:
        raise HvaeError(
            f"{run.folder} takes {run.model.shape} of {run.bits} bits, its data are {data.shape} of {data.bits}"
        )
    split: Split = getattr(data, name).fixed(0)
    if not len(split):
        raise HvaeError(f"the run's data have no {name} split; name another one")
    return split


def _levels(split: Split, name: str, number: int | None) -> list[Picture]:
    from hvae.coding import Picture

    if number is not None and number < 1:
        raise HvaeError(f"expected at least 1 image to compress, got -n {number}")
    levels = split.levels(range(min(number or len(split), len(split)))).numpy()
    return [Picture(name, one, 0) for one in levels]


def _array(path: Path, run: LoadedRun) -> list[Picture]:
    import numpy as np

    from hvae.coding import Picture
    from hvae.data.formats import read_arrays

    levels = read_arrays(path).get(path.stem)
    shape = run.model.shape
    if levels is None or levels.ndim != len(shape) + 1 or levels.dtype != np.uint8:
        known = f"uint8 (N, {', '.join(map(str, shape))})"
        found = "an archive" if levels is None else f"{levels.dtype} {levels.shape}"
        raise HvaeError(f"expected {path} to be {known}, got {found}")
    check_memory(levels.nbytes, str(path))
    return [Picture(path.stem, np.array(one), 0) for one in levels]
