"""Every layout of every known set, written small and read back."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_formats import idx

from hvae.config.data import DataConfig
from hvae.data import ImageData, differences, load, load_any
from hvae.errors import HvaeError

rng = np.random.default_rng(0)


def read(name: str, root: Path, **wishes: object) -> ImageData:
    return load(DataConfig(**{"name": name, "root": str(root), "valid": 0, "download": False, **wishes}))


def write_mnist(folder: Path, pack: Callable[[bytes], bytes] = gzip.compress, suffix: str = ".gz") -> np.ndarray:
    folder.mkdir(parents=True)
    for title, n in (("train", 7), ("t10k", 3)):
        images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        (folder / f"{title}-images-idx3-ubyte{suffix}").write_bytes(pack(idx(images)))
        (folder / f"{title}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx(np.arange(n, dtype=np.uint8))))
    return images


@pytest.mark.parametrize("folder", ["mnist", "MNIST/raw"])
def test_mnist(folder: str, tmp_path: Path) -> None:
    test = write_mnist(tmp_path / folder)
    data = read("mnist", tmp_path)
    assert (data.test.levels(range(3)).numpy()[:, 0] == test).all()
    assert data.test.labels is not None and data.test.labels.tolist() == [0, 1, 2]
    assert data.provenance.version == "7 of 60,000 train images; 3 of 10,000 test images"
    assert data.provenance.source == str(tmp_path / folder)


def test_mnist_unpacked(tmp_path: Path) -> None:
    write_mnist(tmp_path / "mnist", lambda data: data, "")
    assert len(read("mnist", tmp_path).train) == 7


def test_fashion_mnist_is_found_below_the_root_first(tmp_path: Path) -> None:
    write_mnist(tmp_path / "fashion-mnist")
    data = read("fashion-mnist", tmp_path)
    assert len(data.train) == 7 and data.classes[9] == "Ankle boot"


def test_mnist_with_the_wrong_labels(tmp_path: Path) -> None:
    write_mnist(tmp_path / "mnist")
    (tmp_path / "mnist/train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(5, np.uint8))))
    with pytest.raises(HvaeError, match=r"N labels, got uint8 \(7, 28, 28\) and labels \(5,\)"):
        read("mnist", tmp_path)


def test_static_mnist_reads_the_same_from_both_layouts(tmp_path: Path) -> None:
    bits = {
        split: rng.integers(0, 2, (n, 784), dtype=np.uint8) for split, n in (("train", 5), ("valid", 2), ("test", 3))
    }
    for folder in ("one/mnist_static", "two/mnist_static"):
        (tmp_path / folder).mkdir(parents=True)
    packed = {split: np.packbits(array, axis=1) for split, array in bits.items()}
    np.savez(tmp_path / "one/mnist_static/binarized_mnist_larochelle.npz", **packed)
    for split, array in bits.items():
        text = "".join(" ".join(map(str, row)) + " \n" for row in array)
        (tmp_path / f"two/mnist_static/binarized_mnist_{split}.amat").write_text(text)
    one, two = (read("mnist-static", tmp_path / name) for name in ("one", "two"))
    assert (one.test.pictures(range(3)).numpy().reshape(3, 784) == bits["test"]).all()
    assert one.provenance.checksums == two.provenance.checksums and differences(one.provenance, two.provenance) == []
    assert one.bits == 1 and one.provenance.binarisation == "static" and len(one.valid) == 2


def test_static_mnist_with_an_array_missing(tmp_path: Path) -> None:
    (tmp_path / "mnist_static").mkdir()
    np.savez(tmp_path / "mnist_static/binarized_mnist_larochelle.npz", train=np.zeros((1, 98), np.uint8))
    with pytest.raises(HvaeError, match="valid, test is not there"):
        read("mnist-static", tmp_path)


def drawings() -> dict[str, np.ndarray]:
    """Black ink on white, named as Omniglot names them: two characters by 20 drawers."""
    names = {"images_background/A/character01/0002": 20, "images_evaluation/B (x)/character01/0001": 20}
    return {f"{n}_{i:02}.png": rng.random((105, 105)) < 0.9 for n, count in names.items() for i in range(1, count + 1)}


def png(ink: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(ink).save(file, "png")
    return file.getvalue()


def test_omniglot_reads_the_same_from_every_layout(tmp_path: Path) -> None:
    drawn = drawings()
    for folder in ("zips/omniglot", "files/omniglot", "npz/omniglot"):
        (tmp_path / folder).mkdir(parents=True)
    for part in ("images_background", "images_evaluation"):
        with zipfile.ZipFile(tmp_path / f"zips/omniglot/{part}.zip", "w") as archive:
            archive.writestr(f"__MACOSX/{part}/._0002_01.png", b"junk")
            for name in reversed([name for name in drawn if name.startswith(part)]):
                archive.writestr(name, png(drawn[name]))
                (tmp_path / "files/omniglot" / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / "files/omniglot" / name).write_bytes(png(drawn[name]))
    zips, files = (read("omniglot", tmp_path / name) for name in ("zips", "files"))
    assert (len(zips.train), len(zips.test)) == (30, 10)
    assert zips.train.labels is not None and zips.train.labels.tolist() == [1] * 15 + [0] * 15
    ink = 1 - np.mean([image.mean() for name, image in drawn.items() if int(name[-6:-4]) > 15])
    assert zips.test.pictures(range(10)).mean() == pytest.approx(ink, abs=0.01)  # ink is high, and none is lost

    images = np.concatenate([zips.train.store[:15], zips.test.store[:5], zips.train.store[15:], zips.test.store[5:]])
    character, drawer = np.repeat([2, 1], 20), np.tile(np.arange(1, 21), 2)
    np.savez(tmp_path / "npz/omniglot/omniglot_28x28.npz", images=images[:, 0], char_id=character, drawer=drawer)
    npz = read("omniglot", tmp_path / "npz")
    for other in (files, npz):
        assert other.provenance.checksums == zips.provenance.checksums
        assert differences(other.provenance, zips.provenance) == []
        assert other.test.labels is not None and zips.test.labels is not None
        assert other.test.labels.equal(zips.test.labels)
    assert "not the file of the IWAE paper" in zips.provenance.version


def test_damaged_omniglot(tmp_path: Path) -> None:
    (tmp_path / "omniglot").mkdir()
    for part in ("images_background", "images_evaluation"):
        (tmp_path / f"omniglot/{part}.zip").write_bytes(b"PK but no zip")
    with pytest.raises(HvaeError, match="cannot read Omniglot's zip files"):
        read("omniglot", tmp_path)


@pytest.mark.parametrize(("name", "line"), [("0002_01.png", "cannot read the picture"), ("x.png", "cannot read Omnig")])
def test_damaged_drawings_are_said_once(name: str, line: str, tmp_path: Path) -> None:
    for part in ("images_background", "images_evaluation"):
        (tmp_path / f"omniglot/{part}/Greek/character01").mkdir(parents=True)
    (tmp_path / "omniglot/images_background/Greek/character01" / name).write_bytes(b"junk")
    with pytest.raises(HvaeError, match=line) as caught:
        read("omniglot", tmp_path)
    assert str(caught.value).count("cannot read") == 1


def test_lpc_sprites_keep_the_factors_of_every_split(tmp_path: Path) -> None:
    sizes = (3, 2, 4)
    (tmp_path / "lpc_sprites").mkdir()
    # Each image is one colour, which is the number of its combination.
    idx = np.broadcast_to(np.arange(24, dtype=np.uint8)[:, None, None], (24, 6, 6))
    palette = np.arange(72, dtype=np.uint8).reshape(24, 3)
    path = tmp_path / "lpc_sprites" / "lpc_sprites_64x64.npz"
    np.savez(path, idx=idx, palette=palette, factor_sizes=sizes, factor_names=["body", "hair", "action"])
    data = read("lpc-sprites", tmp_path, valid=4, test=0.25, size=(3, 3))
    assert data.shape == (3, 3, 3) and (len(data.train), len(data.valid), len(data.test)) == (14, 4, 6)
    assert data.factors == ("body", "hair", "action")
    for split in (data.train, data.valid, data.test):
        number = split.levels(range(len(split)))[:, 0, 0, 0] // 3
        assert split.factors is not None
        assert split.factors.tolist() == np.stack(np.unravel_index(number.numpy(), sizes), 1).tolist()


def test_sprites_that_are_nowhere_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match="downloading is switched off"):
        read("lpc-sprites", tmp_path)
    with pytest.raises(HvaeError, match="compose it from .* or use 'shapes'"):
        read("lpc-sprites", tmp_path, download=True)


def test_shapes_are_made_here(tmp_path: Path) -> None:
    plain, drawn = (read(name, tmp_path, valid=9) for name in ("shapes", "shapes-dynamic"))
    assert plain.shape == (1, 32, 32) and plain.bits == 8 and plain.provenance.version.startswith("test: 461")
    assert plain.factors == drawn.factors == ("shape", "scale", "orientation", "x", "y")
    assert plain.test.factors is not None and drawn.test.factors is not None
    # Drawn once, the test images are others, of the same factors.
    assert drawn.test.depth == 1 and torch.equal(plain.test.factors, drawn.test.factors)


BATCHES = (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")


def cifar_rows() -> dict[str, np.ndarray]:
    rows = rng.integers(0, 256, (6, 4, 3073), dtype=np.uint8)
    rows[:, :, 0] %= 10
    return dict(zip(BATCHES, rows, strict=True))


def as_pickle(rows: np.ndarray) -> bytes:
    return pickle.dumps({b"data": rows[:, 1:].copy(), b"labels": rows[:, 0].tolist()}, protocol=2)


def as_mosaic(rows: np.ndarray, file: Path) -> None:
    tiles = rows[:, 1:].reshape(2, -1, 3, 32, 32).transpose(0, 3, 1, 4, 2)
    Image.fromarray(tiles.reshape(64, -1, 3)).save(file, lossless=True, exact=True)


def tar(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"cifar-10-batches/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def test_cifar10_reads_the_same_from_every_layout(tmp_path: Path) -> None:
    rows = cifar_rows()
    binary = {f"{name}.bin": some.tobytes() for name, some in rows.items()}
    plain = {name: as_pickle(some) for name, some in rows.items()}
    for folder, files in (("bin/cifar-10-batches-bin", binary), ("py/cifar10/cifar-10-batches-py", plain)):
        (tmp_path / folder).mkdir(parents=True)
        for name, data in files.items():
            (tmp_path / folder / name).write_bytes(data)
    for folder, kind, files in (("tarbin", "binary", binary), ("tarpy", "python", plain)):
        (tmp_path / folder).mkdir()
        tar(tmp_path / folder / f"cifar-10-{kind}.tar.gz", {"readme.html": b"hello", **files})
    mosaics = tmp_path / "webp/cifar10"
    mosaics.mkdir(parents=True)
    train = np.concatenate([rows[name] for name in BATCHES[:-1]])
    as_mosaic(train[:10], mosaics / "train_00.webp")
    as_mosaic(train[10:], mosaics / "train_01.webp")
    as_mosaic(rows["test_batch"], mosaics / "test_00.webp")
    np.savez(mosaics / "labels.npz", train=train[:, 0], test=rows["test_batch"][:, 0], names=np.array(["a"]))

    first, *others = [read("cifar10", tmp_path / name) for name in ("bin", "py", "tarbin", "tarpy", "webp")]
    assert (first.train.levels(range(20)).numpy().reshape(20, -1) == train[:, 1:]).all()
    assert first.provenance.version == "first 20 of 50,000 train images; first 4 of 10,000 test images"
    assert first.classes[0] == "airplane"
    for other in others:
        assert other.provenance.checksums == first.provenance.checksums
        assert other.train.labels is not None and first.train.labels is not None
        assert other.train.labels.equal(first.train.labels)


def test_half_of_cifar10_is_not_cifar10(tmp_path: Path) -> None:
    rows = cifar_rows()
    (tmp_path / "cifar10").mkdir()
    for name in ("data_batch_1", "test_batch"):
        (tmp_path / f"cifar10/{name}.bin").write_bytes(rows[name].tobytes())
    with pytest.raises(HvaeError, match="'cifar10' was found nowhere"):
        read("cifar10", tmp_path)
    tar(tmp_path / "cifar10/cifar-10-binary.tar.gz", {"data_batch_1.bin": rows["data_batch_1"].tobytes()})
    with pytest.raises(HvaeError, match=r"data_batch_2.* is not there"):
        read("cifar10", tmp_path)
    archive = tmp_path / "cifar10/cifar-10-binary.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-400])
    with pytest.raises(HvaeError, match="cannot read"):
        read("cifar10", tmp_path)


def test_mosaics_and_labels_must_agree(tmp_path: Path) -> None:
    rows = cifar_rows()["test_batch"]
    as_mosaic(rows, tmp_path / "train_00.webp")
    as_mosaic(rows, tmp_path / "test_00.webp")
    np.savez(tmp_path / "labels.npz", train=rows[:3, 0], test=rows[:, 0])
    with pytest.raises(HvaeError, match="expected 3 tiles, one a label, got 4"):
        read("cifar10", tmp_path)
    (tmp_path / "test_00.webp").write_bytes(b"torn")
    with pytest.raises(HvaeError, match=r"cannot read .*test_00.webp|expected 3 tiles"):
        read("cifar10", tmp_path)


BYTES, WORDS = np.zeros((9, 3072), np.uint8), np.full((9, 98), "a")
DRAWN = {"images": np.zeros((9, 28, 28), np.uint8), "drawer": np.arange(9), "char_id": np.arange(9)}


def static(array: np.ndarray) -> dict[str, np.ndarray]:
    return dict.fromkeys(("train", "valid", "test"), array)


OTHERS: dict[str, tuple[str, str, dict[str, np.ndarray]]] = {
    "bits that are words": ("mnist-static", "binarized_mnist_larochelle.npz", static(WORDS)),
    "bits in one row": ("mnist-static", "binarized_mnist_larochelle.npz", static(BYTES[0])),
    "bits of real numbers": ("mnist-static", "binarized_mnist_larochelle.npz", static(BYTES / 2)),
    "one bit": ("mnist-static", "binarized_mnist_larochelle.npz", static(BYTES[0, 0])),
    "drawers that are words": ("omniglot", "omniglot_28x28.npz", {**DRAWN, "drawer": WORDS[:, 0]}),
    "fewer drawers": ("omniglot", "omniglot_28x28.npz", {**DRAWN, "drawer": np.arange(3)}),
    "drawers in a column": ("omniglot", "omniglot_28x28.npz", {**DRAWN, "drawer": np.zeros((9, 1))}),
    "no drawings": ("omniglot", "omniglot_28x28.npz", {**DRAWN, "images": BYTES[0, 0]}),
    "strokes without training": ("omniglot-strokes", "omniglot_strokes_flat.npz", {"x": np.zeros((9, 3))}),
    "motion of words": ("cmu-mocap", "cmu_mocap_expmap_train.npz", {"a_1": WORDS, "a_4": WORDS, "a_5": WORDS}),
    "an archive named .npy": ("imagenet32-old", "imagenet32-train.npy", {"x": BYTES}),
}


@pytest.mark.parametrize(("name", "file", "arrays"), OTHERS.values(), ids=OTHERS)
def test_a_file_of_the_right_name_and_another_content(
    name: str, file: str, arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    for place in ("", "omniglot", "mnist-static"):
        (tmp_path / place).mkdir(exist_ok=True)
        for title in (file, "imagenet32-valid.npy"):
            with open(tmp_path / place / title, "wb") as stream:
                np.savez(stream, **arrays)
    with pytest.raises(HvaeError, match="^(?!.*found nowhere)") as caught:
        load_any(DataConfig(name=name, root=str(tmp_path), download=False))
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("labels", [["x"] * 9, [10**30] * 9, [[1, 2], [3]] * 4 + [1], [-1] * 9, [True] * 9, [10] * 9])
def test_cifar10_with_labels_that_are_none(labels: list[object], tmp_path: Path) -> None:
    for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"):
        (tmp_path / name).write_bytes(pickle.dumps({b"data": BYTES, b"labels": labels}))
    with pytest.raises(HvaeError, match="from 0 to 9"):
        read("cifar10", tmp_path)


@pytest.mark.parametrize("pixels", [BYTES.astype(object), BYTES / 2, BYTES.astype(str), BYTES.astype(np.int64) - 1])
def test_cifar10_of_other_numbers(pixels: np.ndarray, tmp_path: Path) -> None:
    for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"):
        (tmp_path / name).write_bytes(pickle.dumps({b"data": pixels, b"labels": [0] * 9}))
    with pytest.raises(HvaeError, match="CIFAR-10|pickle"):
        read("cifar10", tmp_path)


def test_characters_beyond_any_number(tmp_path: Path) -> None:
    for part, name in (("background", "9" * 200 + "_01.png"), ("evaluation", "0001_20.png")):
        folder = tmp_path / "omniglot" / f"images_{part}"
        folder.mkdir(parents=True)
        Image.fromarray(np.zeros((105, 105), np.uint8)).save(folder / name)
    with pytest.raises(HvaeError, match="not those of 'omniglot'"):
        read("omniglot", tmp_path)
