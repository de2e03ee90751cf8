"""The pictures to compress: image files, folders of them, arrays of levels, or a run's own data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hvae.capacity import check_memory
from hvae.checkpoints import LoadedRun
from hvae.coding import Picture
from hvae.coding.files.classic import Levels
from hvae.coding.files.imagefiles import memory_of
from hvae.coding.files.pictures import check_name
from hvae.config.data import DataConfig, kind_of
from hvae.counts import whole
from hvae.data import Split, load
from hvae.data.formats import read_arrays
from hvae.data.look import READERS
from hvae.data.raw import as_images, as_levels
from hvae.data.tally import Tally
from hvae.data.where import reader_of
from hvae.errors import HvaeError
from hvae.files import expanded
from hvae.picturefiles import REPLACE, named_at_once, reason
from hvae.picturefolders import SUFFIXES, listed
from hvae.runs.form import HUB
from hvae.screen.numbers import counted
from hvae.screen.text import for_screen
from hvae.study.misfits import LackingError, advice, fitting, fitting_array
from hvae.study.progress import Tell

SPLITS = ("test", "valid", "train")
BAD = "data.bad"
"""The key that says what becomes of pictures that cannot be read: stop, or skip."""

Source = str | Path | Levels
"""An image file, an array file, a folder of either, or one of SPLITS; or levels, an array (N, *shape) of uint8."""


@dataclass(frozen=True, eq=False)
class Input:
    """Pictures, of how many files, and the bytes of those; no files for arrays in memory and for a run's own data."""

    pictures: tuple[Picture, ...]
    files: int = 0
    size: int = 0

    def weight(self, bits: int) -> tuple[int, str]:
        """Bytes of the pictures before compression, and of what: files, or values of so many bits."""
        if self.files:
            return self.size, counted(self.files, "file")
        values = sum(picture.values for picture in self.pictures)
        return -(-values * bits // 8), f"{counted(values, 'value')} of {counted(bits, 'bit')}"


def is_split(source: Source) -> bool:
    """Whether an input names a part of the run's own data."""
    return isinstance(source, str) and source in SPLITS and not Path(source).exists()


def check_sources(sources: Sequence[Source], number: int | None) -> None:
    """Raises HvaeError, before any work, for anything but a source, and for a number that has no meaning there."""
    for source in sources:
        if not isinstance(source, str | Path | np.ndarray):
            raise HvaeError(f"expected paths, names of splits or NumPy arrays to compress, got {type(source).__name__}")
    if number is not None:
        whole("--number", number, 1)
    if number is not None and not any(map(is_split, sources)):
        raise HvaeError(
            f"a number takes the first of the run's own data, and no input is {', '.join(SPLITS)}; leave it out"
        )


def gathered(
    sources: Iterable[Source], run: LoadedRun, number: int | None, data: Mapping[str, str], tell: Tell
) -> Input:
    """The pictures of all inputs; of the run's own data, which `data` may redirect, the first `number`.

    Says what was left out or changed.  Raises HvaeError for inputs that are not there or do not fit the model,
    and, unless `data.bad` is to skip them, with the names of all that cannot be read.
    """
    parts = [_pictures(source, run, number, data, tell) for source in sources]
    pictures = tuple(picture for part in parts for picture in part.pictures)
    if notes := _changes(pictures):
        tell(notes)
    # Where some have no files, bytes of files would be those of others.
    if not all(part.files for part in parts):
        return Input(pictures)
    return Input(pictures, sum(part.files for part in parts), sum(part.size for part in parts))


def _pictures(source: Source, run: LoadedRun, number: int | None, data: Mapping[str, str], tell: Tell) -> Input:
    if isinstance(source, np.ndarray):
        return Input(_levels(source, "array", run, data, "the array"))
    if is_split(source):
        return _own(str(source), run, number, data)
    path = expanded(source)
    if not path.exists():
        if str(source).startswith(HUB):
            raise HvaeError(
                f"{source}: pictures of the hub are not read as files; train on that data set "
                "(--data.name hub --data.path OWNER/NAME) and name test, or save its pictures into a folder"
            )
        raise HvaeError(
            f"nothing at {source}; expected an image, an array file, a folder of either, or {', '.join(SPLITS)}"
        )
    name = reader_of(path)
    if name == "npy" and path.suffix.lower() == ".npy":
        return _array(path, run, data)
    # A picture's file may have a name without an ending.
    is_array = name in READERS and (path.is_dir() or path.suffix or "-idx" in path.name)
    return _archive(path, name, run, data) if is_array else _files(path, run, data, tell)


def _files(path: Path, run: LoadedRun, data: Mapping[str, str], tell: Tell) -> Input:
    listing = listed(path)
    files = [file.path for file in listing.files]
    if not files:
        raise HvaeError(f"no image found below {path}; expected files that end in {', '.join(SUFFIXES)}")
    if len(run.model.shape) != 3:
        raise HvaeError(
            f"{run.folder} takes {kind_of(run.model.shape)} {run.model.shape}, not images; give an .npy array of levels"
        )
    # The place below the folder is part of the name, so that two pictures of one name stay apart.
    names = [file.relative_to(path).as_posix() if path.is_dir() else file.name for file in files]
    check_memory(sum(map(memory_of, files)), str(path))
    opened = zip(_opened(files, names, run, data, tell), names, files, strict=True)
    if unused := "; ".join(Tally(unused=listing.passed_over).remarks()):
        tell(unused)
    taken = [
        (replace(picture, name=name), file.stat().st_size) for picture, name, file in opened if picture is not None
    ]
    return Input(tuple(picture for picture, _ in taken), len(taken), sum(size for _, size in taken))


def _opened(
    files: Sequence[Path], names: Sequence[str], run: LoadedRun, data: Mapping[str, str], tell: Tell
) -> list[Picture | None]:
    """Each file as a picture of its name, None for those that are left out."""
    pictures: list[Picture | None] = []
    faults: list[tuple[str, str]] = []
    lacking: set[str] = set()
    for file, name in zip(files, names, strict=True):
        try:
            check_name(name)
            pictures.append(fitting(file, run, data))
        except HvaeError as fault:
            pictures.append(None)
            faults.append((for_screen(file), reason(for_screen(file), fault)))
            lacking |= {fault.keys} if isinstance(fault, LackingError) else set()
    if not faults:
        return pictures
    names_of_all = named_at_once(faults, verb="code" if lacking else "read")
    if data.get(BAD, "stop") != "skip" or len(faults) == len(files):
        ways = [advice(run, keys) for keys in sorted(lacking)] or [REPLACE]
        skipping = f", or set --{BAD} skip" if len(faults) < len(files) else ""
        raise HvaeError("; ".join([names_of_all, *ways]) + skipping)
    tell(f"left out: {names_of_all}")
    return pictures


def _changes(pictures: Sequence[Picture]) -> str:
    """How the pictures differ from what their files hold, in a line; empty where they do not."""
    counts = Counter(change for picture in pictures for change in picture.changes)
    return "; ".join(f"{counted(count, 'picture')} {change}" for change, count in counts.items())


def split_of(name: str, run: LoadedRun, data: Mapping[str, str]) -> Split:
    """A part of the run's own data, without chance.  Raises HvaeError where the data are not those of the run."""
    images = load(run.config.override(data).data)
    run.check_form(images.shape, images.bits, images.provenance.name)
    split: Split = getattr(images, name).fixed(0)
    if not len(split):
        raise HvaeError(f"the run's data have no {name} split; name another one")
    if split.observed is not None:
        raise HvaeError(f"the run's {name} data have values that are missing, and a codec needs all; impute them first")
    return split


def _own(name: str, run: LoadedRun, number: int | None, data: Mapping[str, str]) -> Input:
    split = split_of(name, run, data)
    levels = split.levels(range(min(number or len(split), len(split)))).numpy()
    return Input(tuple(Picture(name, one, 0) for one in levels))


def _array(path: Path, run: LoadedRun, data: Mapping[str, str]) -> Input:
    levels = read_arrays(path).get(path.stem)
    if levels is None:
        raise HvaeError(f"expected one array in {path}, got an archive; let its name end in .npz")
    return Input(_levels(levels, path.stem, run, data, str(path)), 1, path.stat().st_size)


def _archive(path: Path, name: str, run: LoadedRun, data: Mapping[str, str]) -> Input:
    """The images of all parts of an array file or a folder of them, one after another."""
    raw = READERS[name](DataConfig(name=name, path=str(path)))
    if raw.transforms:
        raise HvaeError(f"expected whole numbers in {path}, which come back as they are, got {raw.transforms[0]}")
    title = path.name.partition(".")[0] or "images"
    parts = [_levels(part.levels, title, run, data, str(path)) for part in raw.parts.values()]
    return Input(tuple(one for part in parts for one in part))


def _axes(levels: Levels, shape: tuple[int, ...], place: str) -> Levels:
    """Levels with the axes of the model's data, of which that of channels may be left out where there is one."""
    if levels.shape[1:] == shape:
        return levels
    return levels[:, None] if (1, *levels.shape[1:]) == shape else as_images(levels, place)


def _levels(array: Levels, name: str, run: LoadedRun, data: Mapping[str, str], place: str) -> tuple[Picture, ...]:
    """Images of whole numbers, (N, *shape) or in any order of axes that training takes: (N, H, W), (N, H, W, C)."""
    if array.dtype.kind not in "bui":
        raise HvaeError(f"expected whole numbers in {place}, which come back as they are, got {array.dtype}")
    levels, depth = as_levels(array, 0, place)
    images = _axes(levels, tuple(run.model.shape), place)
    bits, change = int(images.max()).bit_length(), ""
    if images.ndim != len(run.model.shape) + 1 or (images.ndim != 4 and bits > run.bits):
        run.check_form(images.shape[1:], max(bits, run.bits), place)
    check_memory(images.nbytes, place)
    if images.ndim == 4 and (images.shape[1] != run.model.shape[0] or bits > run.bits):
        images, change = fitting_array(images, depth, run, data, place)
    return tuple(Picture(name, np.array(one), 0, changes=(change,) * bool(change)) for one in images)
