from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from test_formats import idx

from hvae.config.data import DataConfig
from hvae.data import ImageData, load
from hvae.errors import HvaeError, HvaeWarning

rng = np.random.default_rng(0)


def some(*shape: int) -> np.ndarray:
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    pixels.flat[0] = 255
    return pixels


def read(path: Path, name: str = "npy", **wishes: object) -> ImageData:
    return load(DataConfig(**{"name": name, "path": str(path), "valid": 0, "test": 0, **wishes}))


def read_array(array: np.ndarray, folder: Path, **wishes: object) -> ImageData:
    np.save(folder / "x.npy", array)
    return read(folder / "x.npy", **wishes)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((9, 6, 7), (1, 6, 7)),
        ((9, 3, 6, 7), (3, 6, 7)),
        ((9, 6, 7, 3), (3, 6, 7)),
        ((9, 2, 6, 7), (2, 6, 7)),
        ((9, 6, 7, 1), (1, 6, 7)),
        ((9, 12), (12,)),
    ],
)
def test_shapes(shape: tuple[int, ...], expected: tuple[int, ...], tmp_path: Path) -> None:
    array = some(*shape)
    data = read_array(array, tmp_path)
    assert data.shape == expected and data.train.pictures([0, 1]).shape == (2, *expected)
    last = len(shape) == 4 and shape[1] > 4
    assert (
        data.train.levels(range(9)).numpy() == (array.transpose(0, 3, 1, 2) if last else array).reshape(9, *expected)
    ).all()


@pytest.mark.parametrize(
    ("kind", "shape", "expected"),
    [
        ("auto", (9, 1, 5, 6, 7), (1, 5, 6, 7)),
        ("auto", (9, 5, 6, 7, 3), (3, 5, 6, 7)),
        ("volumes", (9, 5, 6, 7), (1, 5, 6, 7)),
        ("volumes", (9, 6, 5, 6, 7), (6, 5, 6, 7)),
        ("signals", (9, 12), (1, 12)),
        ("signals", (9, 5, 12), (5, 12)),
        ("images", (9, 5, 12), (1, 5, 12)),
    ],
)
def test_axes_that_mean_what_is_said(
    kind: str, shape: tuple[int, ...], expected: tuple[int, ...], tmp_path: Path
) -> None:
    array = some(*shape)
    data = read_array(array, tmp_path, kind=kind)
    last = kind == "auto" and shape[-1] == 3
    levels = np.moveaxis(array, -1, 1) if last else array.reshape(9, *expected)
    assert data.shape == expected and np.array_equal(data.train.levels(range(9)).numpy(), levels)


@pytest.mark.parametrize(("kind", "shape"), [("signals", (9, 3, 4, 5)), ("volumes", (9, 5)), ("images", (9, 5))])
def test_axes_that_are_too_many_or_too_few(kind: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match=f"expected {kind}, .* got shape"):
        read_array(some(*shape), tmp_path, kind=kind)


@pytest.mark.parametrize("shape", [(9,), (2, 3, 4, 5, 3), (9, 3, 6, 3), (9, 16, 16, 16), (2, 1, 2, 3, 4, 5)])
def test_shapes_that_are_no_images(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match=r"x.npy \(train\): (expected an array of shape|cannot tell the channels)"):
        read_array(some(*shape), tmp_path)


@pytest.mark.parametrize(
    ("array", "bits"),
    [
        (np.array([[True, False]]), 1),
        (np.array([[0, 1]], np.uint8), 1),
        (np.array([[0, 255]], np.int64), 8),
        (np.array([[0, 256]], np.uint16), 16),
        (np.array([[0, 65535]], ">i4"), 16),
        (np.array([[0.0, 0.5, 1.0]], np.float16), 8),
        (np.array([[0.0, 0.2, 1.0]], np.float64), 8),
    ],
)
def test_types_settle_the_depth(array: np.ndarray, bits: int, tmp_path: Path) -> None:
    data = read_array(array, tmp_path)
    assert data.bits == bits
    top = 1 if array.dtype.kind in "bf" else 2**bits - 1
    assert np.allclose(data.train.pictures([0]).numpy(), array.astype(np.float64) / top, atol=0.5 / 255)


def test_floats_are_rounded_to_the_bits_asked_for(tmp_path: Path) -> None:
    exact = np.arange(32, dtype=np.float32)[None] / 31
    data = read_array(exact, tmp_path, bits=5)
    assert data.train.levels([0]).flatten().tolist() == list(range(32))
    assert data.provenance.transforms == ("floats rounded to 5 bits",)
    assert read_array(exact, tmp_path, bits=12).train.levels([0]).max() == 4095


def test_floats_that_may_be_binary(tmp_path: Path) -> None:
    binary, grey = np.array([[0.0, 1.0], [1.0, 1.0]]), np.array([[0.4, 0.6], [0.0, 1.0]])
    with pytest.raises(HvaeError, match=r"set data.bits=1 if they are binary, data.bits=8 if they are grey"):
        read_array(binary, tmp_path)
    assert read_array(binary, tmp_path, bits=8).train.levels([0]).tolist() == [[0, 255]]
    assert read_array(binary, tmp_path, bits=1).provenance.binarisation == "none"
    assert read_array(grey, tmp_path, bits=1).provenance.binarisation == "threshold"


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([[0.5, 0.5], [0, np.inf]]), r"got inf at \[1, 1\]"),
        (np.array([[0.5, 200.0]]), r"from 0 to 1 \(or integers\), got 200.0 at \[0, 1\]"),
        (np.array([[0, -3]]), r"from 0 to 65535, got -3 at \[0, 1\]"),
        (np.array([[0, 70000]]), r"got 70000"),
        (np.array([["a"]]), "got dtype <U1"),
        (np.array([[1j]]), "got dtype complex128"),
        (np.zeros((0, 4, 4), np.uint8), "at least one image"),
    ],
)
def test_values_that_are_no_pixels(array: np.ndarray, message: str, tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match=message) as caught:
        read_array(array, tmp_path)
    assert "x.npy" in str(caught.value) and "\n" not in str(caught.value)


def test_black_images_have_the_bits_asked_for_or_it_is_said_how_many_they_are_read_as(tmp_path: Path) -> None:
    black = np.zeros((4, 3, 3), np.uint8)
    for bits in (1, 4, 8, 12, 16):
        data = read_array(black, tmp_path, bits=bits)
        assert data.bits == bits and not data.train.levels(range(len(data.train))).any()
    with pytest.warns(HvaeWarning, match=r"x.npy: every number is 0, which is read as 1 bit a pixel; set data.bits"):
        assert read_array(black, tmp_path).bits == 1
    assert read_array(black > 0, tmp_path).bits == 1  # whose type says so
    with pytest.raises(HvaeError, match=r"at most data.bits=1, .* got 8; save whole numbers of 0 and 1 as 0 and 255"):
        read_array(black + 1, tmp_path, bits=8)


def test_more_bits_than_there_are(tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match=r"at most data.bits=8, which is what .*x.npy holds, got 12"):
        read_array(some(4, 3, 3), tmp_path, bits=12)


@pytest.mark.parametrize(("bits", "kind"), [(10, np.uint16), (12, ">u2"), (14, np.int32)])
def test_whole_numbers_of_the_bits_asked_for_are_levels_as_they_are(bits: int, kind: type, tmp_path: Path) -> None:
    """Scanners put 12 bits into numbers of 16: as fractions of 65,535 they would be 256 levels of nearly black."""
    top = 2**bits - 1
    array = np.linspace(0, top, 600).round().astype(kind).reshape(6, 100)
    data = read_array(array, tmp_path, bits=bits)
    assert (data.train.levels(range(6)).numpy() == array.astype(np.int64)).all() and data.bits == bits
    wide = read_array(np.where(array == top, 65535, array), tmp_path, bits=bits)  # these need all 16
    assert "16 bits to" in str(wide.provenance.transforms) and wide.train.levels([5]).max() == top


def test_arrays_that_are_not_read_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=some(3, 4, 4), labels=np.arange(3), masks=some(3, 4, 4))
    assert str(read(tmp_path / "x.npz").provenance.tally) == "not used: 1 array of other names (masks)"
    (tmp_path / "folder").mkdir()
    for name in ("train", "a", "b"):
        np.save(tmp_path / "folder" / f"{name}.npy", some(3, 4, 4))
    assert "not used: 2 arrays of other names (a, b)" in str(read(tmp_path / "folder").provenance.tally)


def test_labels_below_zero_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=some(3, 4, 4), labels=np.array([0, -2, 2]))
    with pytest.raises(HvaeError, match=r"expected labels from 0, or -1 where one is unknown, got -2; number"):
        read(tmp_path / "x.npz")


def test_a_label_of_minus_one_is_unknown(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "x.npz", x_train=some(3, 4, 4), y_train=np.array([0, -1, 2]), x_test=some(2, 4, 4), y_test=[0, 1]
    )
    labels = read(tmp_path / "x.npz", valid=1).train.labels
    assert labels is not None and int(labels.min()) >= -1


def test_flat_vectors_cannot_be_resized(tmp_path: Path) -> None:
    for wish in ({"size": (4, 4)}, {"flip": True}, {"channels": 3}):
        with pytest.raises(HvaeError, match="flat vectors"):
            read_array(some(4, 9), tmp_path, **wish)


def test_npz_with_splits_and_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x_train=some(5, 4, 4), y_train=np.arange(5), x_test=some(2, 4, 4), y_test=[8, 9])
    data = read(tmp_path / "x.npz", valid=1)
    assert (len(data.train), len(data.valid), len(data.test)) == (4, 1, 2)
    assert data.train.labels is not None and data.valid.labels is not None and data.test.labels is not None
    assert sorted([*data.train.labels.tolist(), *data.valid.labels.tolist()]) == [0, 1, 2, 3, 4]
    assert data.test.labels.tolist() == [8, 9]


def test_splits_share_one_depth(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", train=some(3, 4, 4), test=np.ones((2, 4, 4), np.uint8))
    assert read(tmp_path / "x.npz").test.pictures([0]).max() == pytest.approx(1 / 255)
    np.savez(tmp_path / "x.npz", train=some(3, 4, 4), test=np.full((2, 4, 4), 999, np.int64))
    data = read(tmp_path / "x.npz")
    assert data.bits == 16 and data.train.store.dtype == data.test.store.dtype


def test_splits_of_different_shapes(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", train=some(3, 4, 4), test=some(2, 5, 4))
    with pytest.raises(HvaeError, match=r"\(1, 4, 4\) in train and \(1, 5, 4\) in test; set data.size"):
        read(tmp_path / "x.npz")
    assert read(tmp_path / "x.npz", size=(4, 4)).shape == (1, 4, 4)


def test_npz_with_images_and_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=some(3, 4, 4), labels=np.array([2, 1, 0]), extra=np.zeros(3))
    data = read(tmp_path / "x.npz")
    assert data.train.labels is not None and data.train.labels.tolist() == [2, 1, 0]


def test_npz_without_images(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=some(3, 4, 4), b=some(3, 4, 4))
    with pytest.raises(HvaeError, match=r"named train or images .* got a, b; rename one"):
        read(tmp_path / "x.npz")


@pytest.mark.parametrize("labels", [np.arange(4), np.zeros(3), np.zeros((3, 2), int)])
def test_labels_that_do_not_fit(labels: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=some(3, 4, 4), labels=labels)
    with pytest.raises(HvaeError, match="expected 3 whole-number labels"):
        read(tmp_path / "x.npz")


def test_labels_that_are_names_are_classes(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "x.npz", train=some(4, 4, 4), y_train=["dog", "ant", "", "dog"], test=some(1, 4, 4), y_test=["cat"]
    )
    data = read(tmp_path / "x.npz", valid=0)
    assert data.classes == ("ant", "cat", "dog")
    assert data.train.labels is not None and data.train.labels.tolist() == [2, 0, -1, 2]
    assert data.test.labels is not None and data.test.labels.tolist() == [1]
    np.savez(tmp_path / "y.npz", images=some(4, 4, 4), labels=["dog", "ant"])
    with pytest.raises(HvaeError, match="expected 4 whole-number labels, .* or give their names"):
        read(tmp_path / "y.npz")


def test_a_folder_of_npy_files_stays_on_disk(tmp_path: Path) -> None:
    train, test = some(6, 3, 4, 4), some(2, 3, 4, 4)
    for name, array in (("train", train), ("train_labels", np.arange(6)), ("test", test)):
        np.save(tmp_path / f"{name}.npy", array)
    data = read(tmp_path, valid=2)
    assert (data.train.levels(range(4)).numpy() == train[data.train.rows.numpy()]).all()
    assert (data.test.levels([0, 1]).numpy() == test).all()


def test_idx_files(tmp_path: Path) -> None:
    images, labels = some(5, 4, 3), np.arange(5, dtype=np.uint8)
    (tmp_path / "my-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images), mtime=0))
    assert read(tmp_path / "my-images-idx3-ubyte.gz", "idx").train.labels is None
    (tmp_path / "my-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels), mtime=0))
    data = read(tmp_path / "my-images-idx3-ubyte.gz", "idx")
    assert (data.train.levels(range(5)).numpy()[:, 0] == images).all()
    assert data.train.labels is not None and data.train.labels.tolist() == [0, 1, 2, 3, 4]


def test_a_folder_of_idx_files(tmp_path: Path) -> None:
    for title, n in (("train", 5), ("t10k", 2)):
        (tmp_path / f"{title}-images-idx3-ubyte").write_bytes(idx(some(n, 4, 3)))
        (tmp_path / f"{title}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(n, np.uint8))))
    data = read(tmp_path, "idx")
    assert (len(data.train), len(data.test)) == (5, 2) and data.test.labels is not None


@pytest.mark.parametrize("name", ["npy", "idx"])
def test_a_path_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match="no such file or folder"):
        read(tmp_path / "nothing", name)


@pytest.mark.parametrize("bits", [4, 8, 10, 12, 16])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_of_any_precision_fill_their_levels(tmp_path: Path, kind: type, bits: int) -> None:
    array = np.linspace(0, 1, 9 * 16).astype(kind).reshape(9, 4, 4)
    levels = read_array(array, tmp_path, bits=bits).train.levels(range(9)).numpy()[:, 0]
    assert (levels == np.rint(array.astype(np.float64) * (2**bits - 1))).all() and levels.max() == 2**bits - 1


def test_labels_beyond_what_counts_classes(tmp_path: Path) -> None:
    for top in (2**64 - 1, 2**40):
        np.savez(tmp_path / "x.npz", train=some(3, 4, 4), train_labels=np.array([0, 1, top], np.uint64))
        with pytest.raises(HvaeError, match=f"expected labels up to 2,147,483,647, got {top}"):
            read(tmp_path / "x.npz")


def test_the_same_image_in_two_splits_is_counted(tmp_path: Path) -> None:
    train = some(5, 4, 4)
    np.savez(tmp_path / "x.npz", train=train, test=np.concatenate([train[3:], some(2, 4, 4)]))
    record = read(tmp_path / "x.npz").provenance
    assert record.tally.duplicates == {"train/test": 2} and "2 images of test are also in train" in str(record)


def test_a_column_of_labels_is_read(tmp_path: Path) -> None:
    """As sets of medical pictures have them."""
    np.savez(tmp_path / "x.npz", train_images=some(3, 4, 4), train_labels=np.array([[2], [1], [0]], np.uint8))
    data = read(tmp_path / "x.npz")
    assert data.train.labels is not None and data.train.labels.tolist() == [2, 1, 0]
