"""Your own arrays: .npy, .npz and IDX files, or a folder that holds one file a split.

Shapes: `N` images; `C` channels; `H W` space; `D` the length of flat vectors.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from hvae.config.data import DataConfig
from hvae.data.formats import read_arrays, read_idx
from hvae.data.raw import Part, Raw, as_form, as_labels, as_levels, numbered, without_gaps
from hvae.data.tally import Tally
from hvae.data.transforms import Array, level_type
from hvae.data.where import there
from hvae.errors import HvaeError, HvaeWarning
from hvae.screen.text import for_screen

# How people name the arrays of a split, nearest first: images, then labels.
TITLES = {"train": ("train",), "valid": ("valid", "val", "validation"), "test": ("test", "t10k")}
IMAGES = ("{0}", "x_{0}", "X_{0}", "{0}_x", "{0}_images", "{0}-images-idx3-ubyte", "{0}-images.idx3-ubyte")
LABELS = ("{0}_labels", "y_{0}", "Y_{0}", "{0}_y", "{0}-labels-idx1-ubyte", "{0}-labels.idx1-ubyte")
BARE_IMAGES, BARE_LABELS = ("images", "x", "X", "data"), ("labels", "y", "Y")


def read_npy(config: DataConfig) -> Raw:
    """A .npy or .npz file, or a folder with train.npy, optionally valid.npy, test.npy and train_labels.npy ...

    An .npz file holds either such names (train, valid, test, x_train, y_train ...), or images (or x, or its only
    array) with labels (or y).
    """
    path = there(config)
    files = _inside(path) if path.is_dir() else [path]
    arrays = {name: array for file in files for name, array in read_arrays(file).items()}
    return _assembled(arrays, config, path)


def _inside(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() == ".npy" and file.name[0] != ".")


def read_idx_source(config: DataConfig) -> Raw:
    """An IDX file (.gz or not), or a folder whose files are named as MNIST's: train-images-idx3-ubyte.gz, t10k- ...

    Beside a single file NAME-images-idx3-ubyte the labels NAME-labels-idx1-ubyte are read when they are there.
    """
    path = there(config)
    if path.is_dir():
        files = {_stem(f): f for f in sorted(path.iterdir()) if "idx" in f.name and not f.name.startswith(".")}
        return _assembled({stem: read_idx(f) for stem, f in files.items()}, config, path)
    labels = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    arrays = {"images": read_idx(path)}
    if labels != path and labels.exists():
        arrays["labels"] = read_idx(labels)
    return _assembled(arrays, config, path)


def _stem(file: Path) -> str:
    return file.name.removesuffix(".gz")


def _assembled(arrays: Mapping[str, Array], config: DataConfig, path: Path) -> Raw:
    images = {split: array for split in TITLES if (array := _pick(arrays, split, IMAGES)) is not None}
    labels = {split: _pick(arrays, split, LABELS) for split in TITLES}
    if "train" not in images:
        images = {"train": _bare(arrays, path)}
        labels = {"train": next((arrays[name] for name in BARE_LABELS if name in arrays), None)}
    taken = [one for one in (*images.values(), *labels.values()) if one is not None]
    labels, classes = numbered(labels)
    unused = [name for name, array in arrays.items() if all(array is not one for one in taken)]
    whole = {split: without_gaps(array, f"{path} ({split})") for split, array in images.items()}
    images = {split: array for split, (array, _) in whole.items()}
    levels = {split: as_levels(array, config.bits, f"{path} ({split})") for split, array in images.items()}
    # A split that happens to hold no bright pixel must not be read at another depth than the rest.
    bits = max((depth for array, depth in levels.values() if array.any()), default=0) or _of_black(images, config, path)
    parts = {s: _part(array, labels.get(s), bits, config.kind, f"{path} ({s})") for s, (array, _) in levels.items()}
    parts = {
        split: part._replace(observed=_form(whole[split][1], config.kind, f"{path}")) for split, part in parts.items()
    }
    rounded = any(array.dtype.kind == "f" for array in images.values())
    return Raw(
        parts=parts,
        bits=bits,
        classes=classes,
        transforms=(f"floats rounded to {bits} bits",) * rounded + _missing(parts),
        tally=Tally(unused=_left(unused)),
        thresholded=bits == 1 and any((levels[split][0] != array).any() for split, array in images.items()),
    )


def _of_black(images: Mapping[str, Array], config: DataConfig, path: Path) -> int:
    """Bits of images that are black all over, which say nothing of their depth: what is asked for, else 1."""
    if not config.bits and any(array.dtype.kind in "ui" for array in images.values()):
        warnings.warn(
            f"{path}: every number is 0, which is read as 1 bit a pixel; set data.bits where they have more",
            HvaeWarning,
            stacklevel=2,
        )
    return config.bits or 1


def _part(levels: Array, labels: Array | None, bits: int, kind: str, where: str) -> Part:
    images = as_form(levels.astype(level_type(bits), copy=False), kind, where)
    return Part(images, as_labels(labels, len(images), where))


def _form(observed: Array | None, kind: str, where: str) -> Array | None:
    return None if observed is None else as_form(observed, kind, where)


def _left(names: Sequence[str], most: int = 5) -> dict[str, int]:
    """How many arrays have names by which none is read."""
    listing = f"{', '.join(map(for_screen, names[:most]))}{', ...' * (len(names) > most)}"
    return {f"arrays of other names ({listing})": len(names)} if names else {}


def _missing(parts: Mapping[str, Part]) -> tuple[str, ...]:
    """How many values of each split are missing, where some are."""
    gaps = {name: int((~part.observed).sum()) for name, part in parts.items() if part.observed is not None}
    return tuple(f"{name}: {count:,} values missing (NaN)" for name, count in gaps.items())


def _pick(arrays: Mapping[str, Array], split: str, patterns: tuple[str, ...]) -> Array | None:
    names = (pattern.format(title) for title in TITLES[split] for pattern in patterns)
    return next((arrays[name] for name in names if name in arrays), None)


def _bare(arrays: Mapping[str, Array], path: Path) -> Array:
    images = next((arrays[name] for name in BARE_IMAGES if name in arrays), None)
    if images is not None:
        return images
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    got = ", ".join([*arrays][:10]) + ", ..." * (len(arrays) > 10) or "nothing"
    raise HvaeError(f"{path}: expected an array named train or images (or a single array), got {got}; rename one")
