"""Readers of the layouts in which known data sets lie in a folder: each takes the folder and gives the set as found.

Shapes: `N` images; `C` channels; `H W` space.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from hvae.data.factors import read_factors
from hvae.data.formats import read_amat, read_arrays, read_bytes, read_cifar_bin, read_cifar_py, read_idx
from hvae.data.progress import progress
from hvae.data.provenance import SPLITS
from hvae.data.raw import Part, Raw
from hvae.data.shapes import shapes
from hvae.data.transforms import Array
from hvae.data.unpacking import DAMAGED, check_entries
from hvae.errors import HvaeError
from hvae.files import open_regular, read_regular
from hvae.picturefiles import opened

THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
NUMERALS = tuple("0123456789")
CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
# 15 of each character's 20 drawers are 24,345 images, the size of the training set in the IWAE paper's split.
TRAIN_DRAWERS = 15
OMNIGLOT_PARTS = ("background", "evaluation")
LARGEST_DRAWING, LARGEST_BATCH, LARGEST_CIFAR = 1 << 20, 1 << 26, 1 << 28
MOST_MEMBERS = 1000
"""Bytes: some times what the published files have."""
OMNIGLOT_VERSION = "box-averaged to 28x28, drawers 1-15 train, 16-20 test; not the file of the IWAE paper"


def digits() -> Raw:
    """scikit-learn's 8x8 digits.  They count 0 to 16 dark pixels of a 4x4 block: 17 values, one too many for 4 bits."""
    from sklearn.datasets import load_digits  # a second of imports that only this set needs

    sheet = load_digits()
    levels = np.minimum(sheet.images, 15).astype(np.uint8)[:, None]  # (N, 1, 8, 8)
    part = Part(levels, sheet.target.astype(np.int64))
    source, version = "scikit-learn, load_digits", "value 16 stored as 15"
    return Raw(parts={"train": part}, bits=4, classes=NUMERALS, source=source, version=version)


def drawn_shapes() -> Raw:
    """Squares, ellipses and hearts, drawn here from their factors."""
    return replace(shapes().raw(), source="hvae.data.shapes")


def lpc_sprites(folder: Path) -> Raw:
    """The LPC sprites as indices into a palette, every combination of the factors once."""
    return read_factors(folder / "lpc_sprites_64x64.npz").raw()


def mnist_idx(folder: Path) -> Raw:
    """MNIST's four IDX files."""
    return _idx_files(folder, NUMERALS)


def fashion_idx(folder: Path) -> Raw:
    """Fashion-MNIST's four IDX files, named as MNIST's."""
    return _idx_files(folder, CLOTHES)


def _idx_files(folder: Path, classes: tuple[str, ...]) -> Raw:
    parts = {split: _idx_pair(folder, title) for split, title in (("train", "train"), ("test", "t10k"))}
    return Raw(parts=parts, bits=8, classes=classes)


def _idx_pair(folder: Path, title: str) -> Part:
    patterns = (f"{title}-images?idx3-ubyte*", f"{title}-labels?idx1-ubyte*")
    images, labels = (read_idx(min(folder.glob(pattern))) for pattern in patterns)
    if images.ndim != 3 or labels.shape != images.shape[:1] or images.dtype != np.uint8:
        got = f"{images.dtype} {images.shape} and labels {labels.shape}"
        raise HvaeError(f"{folder}: expected {title} images (N, H, W) of bytes and N labels, got {got}; fetch again")
    return Part(images[:, None], labels.astype(np.int64))  # (N, 1, H, W)


def static_npz(folder: Path) -> Raw:
    """Larochelle's binarised MNIST with eight pixels packed into a byte."""
    path = folder / "binarized_mnist_larochelle.npz"
    packed = _named(read_arrays(path), SPLITS, path)
    return _static({split: np.unpackbits(bits, axis=1) for split, bits in packed.items()})


def static_amat(folder: Path) -> Raw:
    """Larochelle's binarised MNIST as published: text, 784 digits a line."""
    return _static({split: read_amat(folder / f"binarized_mnist_{split}.amat", 784) for split in SPLITS})


def _static(bits: Mapping[str, Array]) -> Raw:
    return Raw(parts={split: Part(flat.reshape(-1, 1, 28, 28)) for split, flat in bits.items()}, bits=1)


def omniglot_npz(folder: Path) -> Raw:
    """Omniglot as one array of 28x28 images (ink is high) with `drawer` and `char_id`."""
    path = folder / "omniglot_28x28.npz"
    arrays = _named(read_arrays(path), ("images", "drawer", "char_id"), path)
    return _omniglot(arrays["images"], arrays["drawer"], arrays["char_id"])


def omniglot_zips(folder: Path) -> Raw:
    """Omniglot as published: two zip files of 105x105 drawings."""
    with ExitStack() as stack:
        files = [stack.enter_context(open_regular(folder / f"images_{part}.zip")) for part in OMNIGLOT_PARTS]
        try:
            archives = [stack.enter_context(zipfile.ZipFile(file)) for file in files]
            for archive, file in zip(archives, files, strict=True):
                check_entries(archive.infolist(), file.seek(0, io.SEEK_END), file.name)
            names = [(archive, name) for archive in archives for name in sorted(archive.namelist(), key=_by_parts)]
            drawings = [(n.rpartition("/")[2], lambda a=a, n=n: a.read(n)) for a, n in names if _is_drawing(n)]
            return _omniglot(*_drawings(drawings))
        except HvaeError:
            raise
        except DAMAGED as fault:
            raise HvaeError(f"{folder}: cannot read Omniglot's zip files ({fault}); fetch them again") from fault


def omniglot_folders(folder: Path) -> Raw:
    """Omniglot's zip files unpacked."""
    parts = [folder / f"images_{part}" for part in OMNIGLOT_PARTS]
    files = [file for part in parts for file in sorted(part.rglob("*.png"), key=lambda f: f.parts)]
    drawings = [(f.name, lambda f=f: read_regular(f, LARGEST_DRAWING)) for f in files if _is_drawing(str(f))]
    try:
        return _omniglot(*_drawings(drawings))
    except HvaeError:
        raise
    except (OSError, ValueError) as fault:
        raise HvaeError(f"{folder}: cannot read Omniglot's drawings ({fault}); fetch them again") from fault


def _by_parts(name: str) -> list[str]:
    return name.split("/")


def _is_drawing(name: str) -> bool:
    return name.endswith(".png") and "__MACOSX" not in name


def _drawings(files: Sequence[tuple[str, Callable[[], bytes]]]) -> tuple[Array, Array, Array]:
    """Images (N, 28, 28), drawers (N,), characters (N,) of files named CHARACTER_DRAWER.png."""
    if not files:
        raise ValueError("no drawing is there")
    numbers = np.array([[int(n) for n in name.removesuffix(".png").split("_")] for name, _ in files])
    images = np.stack([_shrunk(read(), name) for name, read in progress(files, "reading Omniglot", total=len(files))])
    return images, numbers[:, 1], numbers[:, 0]


def _shrunk(png: bytes, name: str) -> Array:
    # Ink is black in the files; here, as in MNIST, ink is high.  A box average keeps the amount of ink.
    with opened(io.BytesIO(png), name) as image:
        ink = Image.fromarray(255 - np.asarray(image.convert("L")))
    return np.asarray(ink.resize((28, 28), Image.Resampling.BOX))


def _omniglot(images: Array, drawer: Array, character: Array) -> Raw:
    masks = {"train": drawer <= TRAIN_DRAWERS, "test": drawer > TRAIN_DRAWERS}
    # Characters are counted from 1 in the files, labels from 0.
    parts = {split: Part(images[mask][:, None], character[mask].astype(np.int64) - 1) for split, mask in masks.items()}
    return Raw(parts=parts, bits=8, version=OMNIGLOT_VERSION)


def cifar10_bin(folder: Path) -> Raw:
    """CIFAR-10's binary batches."""
    return _cifar10({f"{n}.bin": read_regular(folder / f"{n}.bin", LARGEST_BATCH) for n in _BATCHES}, folder)


def cifar10_py(folder: Path) -> Raw:
    """CIFAR-10's Python batches."""
    return _cifar10({name: read_regular(folder / name, LARGEST_BATCH) for name in _BATCHES}, folder)


def cifar10_tar(folder: Path) -> Raw:
    """CIFAR-10's archive as published, read without unpacking it."""
    path = next(p for p in (folder / "cifar-10-binary.tar.gz", folder / "cifar-10-python.tar.gz") if p.exists())
    try:
        return _cifar10(dict(_members(path)), path)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as fault:
        raise HvaeError(f"{path}: cannot be read ({fault}); fetch it again") from fault


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    # Unpacked as a whole, within bounds: a header in the archive may ask for any amount of memory.
    with tarfile.open(fileobj=io.BytesIO(read_bytes(path, LARGEST_CIFAR)), mode="r:") as archive:
        for member in islice(archive, MOST_MEMBERS):
            name = member.name.rpartition("/")[2]
            file = archive.extractfile(member) if name.removesuffix(".bin") in _BATCHES else None
            if file is not None:
                yield name, file.read()


_BATCHES = (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")


def _cifar10(files: Mapping[str, bytes], where: Path) -> Raw:
    read, suffix = (read_cifar_bin, ".bin") if "test_batch.bin" in files else (read_cifar_py, "")
    missing = [name for name in _BATCHES if name + suffix not in files]
    if missing:
        raise HvaeError(f"{where}: {', '.join(missing)} is not there; fetch CIFAR-10 again")
    batches = [Part(*read(files[name + suffix], f"{where}/{name}{suffix}")) for name in _BATCHES]
    return _things({"train": batches[:-1], "test": batches[-1:]})


def _things(batches: Mapping[str, Sequence[Part]]) -> Raw:
    parts = {
        split: Part(np.concatenate([p.levels for p in some]), np.concatenate([p.labels for p in some]).astype(np.int64))
        for split, some in batches.items()
    }
    return Raw(parts=parts, bits=8, classes=THINGS)


def cifar10_mosaics(folder: Path) -> Raw:
    """CIFAR-10 as lossless mosaics of 32x32 tiles, row by row, with `train` and `test` in labels.npz."""
    labels = _named(read_arrays(folder / "labels.npz"), ("train", "test"), folder / "labels.npz")
    return _things({split: [_tiles(sorted(folder.glob(f"{split}_*.webp")), labels[split])] for split in labels})


def _tiles(files: Sequence[Path], labels: Array) -> Part:
    with ThreadPoolExecutor(4) as pool:
        tiles = list(progress(pool.map(_mosaic, files), "reading CIFAR-10", total=len(files)))
    levels = np.concatenate(tiles)  # (N, 3, 32, 32)
    if len(levels) != len(labels):
        raise HvaeError(f"{files[0].parent}: expected {len(labels):,} tiles, one a label, got {len(levels):,}")
    return Part(levels, labels)


def _mosaic(file: Path) -> Array:
    with opened(file) as image:
        grid = np.asarray(image.convert("RGB"))
    rows, columns = grid.shape[0] // 32, grid.shape[1] // 32
    tiles = grid.reshape(rows, 32, columns, 32, 3).transpose(0, 2, 4, 1, 3)  # (rows, columns, 3, 32, 32)
    return tiles.reshape(-1, 3, 32, 32)


def _named(arrays: Mapping[str, Array], names: Sequence[str], path: Path) -> dict[str, Array]:
    if missing := [name for name in names if name not in arrays]:
        raise HvaeError(f"{path}: expected arrays named {', '.join(names)}; {', '.join(missing)} is not there")
    return {name: arrays[name] for name in names}
