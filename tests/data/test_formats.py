from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hvae.data.formats import plain_unpickle, read_amat, read_arrays, read_cifar_bin, read_cifar_py, read_idx
from hvae.errors import HvaeError

CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx(array: np.ndarray) -> bytes:
    code = CODES[array.dtype.str[1:]]
    head = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("kind", list(CODES))
@pytest.mark.parametrize("packed", [False, True])
def test_idx_of_every_type(kind: str, packed: bool, tmp_path: Path) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    file = tmp_path / "x"
    file.write_bytes(gzip.compress(idx(array), mtime=0) if packed else idx(array))
    found = read_idx(file)
    assert found.dtype == array.dtype and (found == array).all()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected an IDX file .* got nothing"),
        (b"\x89PNG\r\n", "got 89 50 4e 47"),
        (idx(np.zeros((2, 3), np.uint8))[:-1], "expected 6 bytes of values for shape \\(2, 3\\), got 5"),
        (idx(np.zeros((2, 3), np.uint8)) + b"x", "got 7"),
        (idx(np.zeros((2, 3), np.uint8))[:9], "expected an IDX file"),
        (gzip.compress(idx(np.zeros((99, 99), np.uint8)), mtime=0)[:40], "cannot read .* damaged"),
        (
            gzip.compress(idx(np.random.default_rng(0).integers(0, 9, (99, 99)).astype(np.uint8)), mtime=0)[:2000]
            + b"broken" * 9,
            "cannot read .* damaged",
        ),
        (gzip.compress(b"0" * 500, mtime=0)[:20] + b"broken" * 9, "got 30 30 30 30"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "declare .* damaged"),
        (b"\0\0\x08\xff" + b"\0\0\0\x01" * 255 + b"x", "expected an IDX file"),
    ],
)
def test_damaged_idx_files(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.gz").write_bytes(data)
    with pytest.raises(HvaeError, match=message) as caught:
        read_idx(tmp_path / "bad.gz")
    line = str(caught.value)
    assert line.count("bad.gz") == 1 and line.count("fetch it again") <= 1 and "\n" not in line


def test_an_idx_file_of_rows_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.idx").write_bytes(b"\0\0\x08\x03" + struct.pack(">III", 2**32 - 1, 0, 28))
    with pytest.raises(HvaeError, match="declares rows of nothing"):
        read_idx(tmp_path / "x.idx")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match=r"cannot read .*nothing"):
        read_idx(tmp_path / "nothing")


def grown(path: Path, kind: type, *shape: int) -> Path:
    """An array file whose header says `shape` and whose values are a thousand bytes."""
    with open(path, "wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(kind)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(1000))
    return path


def zipped(path: Path, content: bytes, name: str = "x.npy", method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, content)
    return path


def test_arrays_that_declare_more_than_they_hold(tmp_path: Path) -> None:
    npy = grown(tmp_path / "x.npy", np.uint8, 10**6, 1000, 1000)
    for path in (npy, zipped(tmp_path / "x.npz", npy.read_bytes())):
        with pytest.raises(HvaeError, match="1,000,000,000,000 bytes of values for shape"):
            read_arrays(path)


def test_a_header_that_calls_something_is_one_line_without_an_address(tmp_path: Path) -> None:
    header = b"{'descr': f(3), 'fortran_order': False, 'shape': (2,), }\n"
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + bytes(16))
    with pytest.raises(HvaeError, match="malformed node or string[^<]*; save plain numbers"):
        read_arrays(tmp_path / "x.npy")


def test_content_that_only_a_bomb_has(tmp_path: Path) -> None:
    zeros = bytes(80 << 20)
    bombs = [zipped(tmp_path / "x.npz", npy_of(zeros)), tmp_path / "x.gz"]
    bombs[1].write_bytes(gzip.compress(b"\0\0\x08\x01" + len(zeros).to_bytes(4, "big") + zeros, 9))
    for read, path in zip((read_arrays, read_idx), bombs, strict=True):
        with pytest.raises(HvaeError, match="expected real data"):
            read(path)
    with pytest.raises(HvaeError, match="expected at most .* bytes of content, got more"):
        read_amat(bombs[1], 4)


def npy_of(values: bytes) -> bytes:
    file = io.BytesIO()
    np.save(file, np.frombuffer(values, np.uint8))
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(50),  # a header of four gigabytes
        b"\x93NUMPY\x01\x00\x90\x01" + b"(" * 400,
        b"\x93NUMPY\x01\x00\x40\x00" + b"{'descr': '|u1', 'fortran_order': False, 'shape': (-5,)}".ljust(64),
        b"\x93NUMPY\x01",
        *(
            b"\x93NUMPY\x01\x00\x60\x00"
            + f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}".encode().ljust(96)
            for kind, shape in (("|u1", (10**9, 0, 88)), ("|V0", (10**9, 2, 88)), ("<U0", (2, 10**17)))
        ),
    ],
)
def test_headers_of_arrays_that_lie(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    for path in (tmp_path / "x.npy", zipped(tmp_path / "x.npz", content)):
        with pytest.raises(HvaeError, match=r"as \.npy or \.npz"):
            read_arrays(path)


def test_archives_packed_in_other_ways(tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match="stored or deflated"):
        read_arrays(zipped(tmp_path / "x.npz", npy_of(b"12"), method=zipfile.ZIP_LZMA))


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    arrays = {"f": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "text": np.array("abc"), "none": np.zeros((0, 3))}
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    np.save(tmp_path / "f.npy", arrays["f"])
    np.save(tmp_path / "none.npy", arrays["none"])
    found = {**read_arrays(tmp_path / "x.npz")}
    assert all((found[name] == array).all() and found[name].dtype == array.dtype for name, array in arrays.items())
    assert (read_arrays(tmp_path / "f.npy")["f"] == arrays["f"]).all()
    assert read_arrays(tmp_path / "none.npy")["none"].shape == (0, 3)


@pytest.mark.parametrize("read", [read_idx, read_arrays, partial(read_amat, width=4)])
def test_only_regular_files_are_read(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(HvaeError, match="expected a regular file, got a "):
            read(path)


def test_npy_is_mapped_and_npz_read(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.uint8)
    np.save(tmp_path / "one.npy", array)
    np.savez(tmp_path / "two.npz", a=array, b=array + 1)
    one, two = read_arrays(tmp_path / "one.npy"), read_arrays(tmp_path / "two.npz")
    assert list(one) == ["one"] and isinstance(one["one"], np.memmap)
    assert sorted(two) == ["a", "b"] and (two["b"] == array + 1).all()


def test_arrays_of_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "o.npz", np.array([{}], dtype=object))
    (tmp_path / "text.npy").write_text("hello")
    for name in ("o.npy", "o.npz", "text.npy"):
        with pytest.raises(HvaeError, match=r"as \.npy or \.npz"):
            read_arrays(tmp_path / name)


def test_bits_as_text(tmp_path: Path) -> None:
    file = tmp_path / "x.amat"
    file.write_text("0 1 1 0 \n1 1 1 1 \n")
    assert read_amat(file, 4).tolist() == [[0, 1, 1, 0], [1, 1, 1, 1]]
    for text in ("0 1 1", "0 1 2 1", ""):
        file.write_text(text)
        with pytest.raises(HvaeError, match="lines of 4 digits"):
            read_amat(file, 4)


def test_cifar_binary_rows() -> None:
    rows = np.random.default_rng(0).integers(0, 256, (5, 3073), dtype=np.uint8)
    levels, labels = read_cifar_bin(rows.tobytes(), "x")
    assert (
        levels.shape == (5, 3, 32, 32) and (labels == rows[:, 0]).all() and levels[2, 1, 0, 3] == rows[2, 1 + 1024 + 3]
    )
    with pytest.raises(HvaeError, match="rows of 3,073 bytes"):
        read_cifar_bin(rows.tobytes()[:-1], "x")


@pytest.mark.parametrize("protocol", [2, 4])
def test_cifar_pickles(protocol: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3072), dtype=np.uint8)
    data = pickle.dumps({b"data": pixels, b"labels": [1, 2, 3, 4], b"batch_label": b"one"}, protocol=protocol)
    levels, labels = read_cifar_py(data, "x")
    assert (levels.reshape(4, -1) == pixels).all() and labels.tolist() == [1, 2, 3, 4]


def test_a_pickle_written_by_python_2() -> None:
    # The bytes that Python 2 and numpy 1 write, protocol 2, for {'data': uint8 zeros (1, 3072), 'labels': [7]}.
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x01M\x00\x0c\x86"
        b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T\x00\x0c\x00\x00"
        + bytes(3072)
        + b"tb"
    )
    levels, labels = read_cifar_py(b"\x80\x02}(U\x04data" + array + b"U\x06labels]K\x07au.", "x")
    assert levels.shape == (1, 3, 32, 32) and labels.tolist() == [7]


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("ran"),))


def test_a_pickle_cannot_run_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HvaeError, match="it asks to run"):
        plain_unpickle(pickle.dumps({b"data": Evil()}), "x")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"junk",
        pickle.dumps([1]),
        pickle.dumps({b"data": 3}),
        pickle.dumps({b"data": np.zeros((2, 5)), b"labels": [1, 2]}),
    ],
)
def test_pickles_that_are_no_batch(data: bytes) -> None:
    with pytest.raises(HvaeError, match="x: "):
        read_cifar_py(data, "x")
