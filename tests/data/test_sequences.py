"""Sequences as data: padded batches, chunks, order by length, the known sets, and files that are none."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from hvae.config.data import DataConfig
from hvae.data import Provenance, SequenceSplit, StepSampler, differences, load, load_sequences
from hvae.data.sequences import rolls
from hvae.errors import HvaeError


def split(lengths: list[int], **settings: object) -> SequenceSplit:
    """Sequences whose step t of sequence n holds 10 n + t."""
    steps = [torch.arange(length)[:, None] + 10 * n for n, length in enumerate(lengths)]
    sizes = torch.tensor(lengths)
    return SequenceSplit(store=torch.cat(steps), starts=sizes.cumsum(0) - sizes, lengths=sizes, unit=1.0, **settings)


def config(path: Path, **wish: object) -> DataConfig:
    return DataConfig(name="sequences", path=str(path), **wish)


def test_a_batch_is_padded_with_zeros_to_its_longest() -> None:
    batch = split([2, 4, 3]).batch([2, 0])
    assert batch.x[..., 0].tolist() == [[20, 21, 22], [0, 1, 0]]
    assert batch.lengths is not None and batch.lengths.tolist() == [3, 2]


def test_one_long_sequence_pads_no_other_batch() -> None:
    assert [part.x.shape[1] for part in split([2, 2, 90]).batches(2)] == [2, 90]


def test_pieces_hold_every_step_once() -> None:
    cut = split([5, 2, 9]).pieces(4)
    assert cut.lengths.tolist() == [4, 1, 2, 4, 4, 1]
    assert torch.cat([cut.levels(i) for i in range(len(cut))]).tolist() == split([5, 2, 9]).store.tolist()


def test_pieces_keep_their_labels() -> None:
    assert split([5, 2], labels=torch.tensor([7, 8])).pieces(2).labels.tolist() == [7, 7, 7, 8]


def test_buckets_are_a_permutation_that_puts_equal_lengths_together() -> None:
    whole = split([1 + n % 9 for n in range(90)], bucket=9)
    order = whole.order(3, seed=1, batch=10)
    assert sorted(order.tolist()) == list(range(90))
    assert all(len(set(whole.lengths[part].tolist())) == 1 for part in order.split(10))
    assert torch.equal(order, whole.order(3, seed=1, batch=10)) and not torch.equal(order, whole.order(4, 1, 10))


def test_a_resumed_sampler_takes_the_same_batches() -> None:
    whole = split([1 + n % 9 for n in range(30)], bucket=2)
    long = list(StepSampler(n=30, batch=4, seed=3, steps=20, order=whole.order))
    late = list(StepSampler(n=30, batch=4, seed=3, steps=20, start_step=12, order=whole.order))
    assert all(torch.equal(a.indices, b.indices) for a, b in zip(long[12:], late, strict=True))


def test_jsb_is_the_standard_split(data_root: Path) -> None:
    if not (data_root / "poly_music").is_dir():
        pytest.skip(f"needs real data: no poly_music below {data_root}")
    data = load_sequences(DataConfig(name="jsb", root=str(data_root), download=False))
    assert [len(part) for part in (data.train, data.valid, data.test)] == [229, 76, 77]
    assert data.form.frames == {"train": 13_807, "valid": 4_602, "test": 4_725}
    assert data.provenance.version == "" and data.shape == (57, 88)


def test_the_record_of_sequences_is_read_back(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", train=np.eye(6, 4), train_len=[4, 2], test=np.eye(3, 4), valid=np.eye(2, 4))
    record = load_sequences(config(tmp_path / "a.npz")).provenance
    assert Provenance.from_dict(record.to_dict()) == record
    assert differences(record, record) == []
    assert str(record) == "sequences:a.npz: 2 / 1 / 1 sequences (6 / 2 / 3 frames of 4, 1 bit)"


def test_parts_are_held_out_where_there_are_none(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((10, 5, 3), np.uint8))
    data = load_sequences(config(tmp_path / "a.npy", valid=2, test=0.1))
    assert [len(part) for part in (data.train, data.valid, data.test)] == [7, 2, 1]


def test_chunks_cut_training_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", train=np.zeros((10, 3)), valid=np.zeros((10, 3)), test=np.zeros((10, 3)))
    data = load_sequences(config(tmp_path / "a.npz", chunk=4))
    assert data.train.lengths.tolist() == [4, 4, 2] and data.test.lengths.tolist() == [10]
    assert "1 training sequences of more than 4 steps cut" in data.provenance.transforms[0]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"train": np.zeros((1, 4))}, "has 1 step; expected 2 or more"),
        ({"train": np.zeros((0, 4))}, "has 0 steps; expected 2 or more"),
        ({"train": np.zeros((4, 4)), "train_len": np.array([4, 0])}, "sequence 2 has 0 steps"),
        ({"train": np.zeros((4, 4)), "train_len": np.array([3])}, "add up to the 4 steps"),
        ({"train": np.zeros((4, 4)), "train_len": np.array([0.5])}, "expected whole numbers"),
        ({"train": np.zeros((4, 4)), "train_len": np.array([-4, 8])}, "got -4 to 8"),
        # The sum of these wraps around to 4.
        ({"train": np.zeros((4, 4)), "train_len": np.array([2**63 - 1, 2**63 - 1, 6])}, "add up to the 4 steps"),
        ({"train": np.zeros((4, 4)), "train_len": np.array(["2", "2"])}, "expected whole numbers"),
        ({"train": np.zeros((4, 4)), "train_len": np.array(["2020-01-01"], "M8[D]")}, "expected whole numbers"),
        ({"train": np.zeros((4, 4)), "train_len": np.zeros(2, [("a", "i4")])}, "expected whole numbers"),
        ({"train": np.full((4, 4), 2)}, "expected 0 and 1"),
        ({"train": np.full((4, 4), np.nan)}, "expected 0 and 1"),
        ({"train": np.zeros(4)}, "expected piano rolls"),
        ({"train": np.zeros((4, 4)), "test": np.zeros((4, 3))}, "one shape"),
        ({"a": np.zeros((4, 4)), "b": np.zeros((4, 3))}, "one shape"),
        ({"train": np.array(["x", "y"])}, "expected"),
        ({"train": np.array([{}, {}], dtype=object)}, "plain numbers"),
    ],
)
def test_arrays_that_are_no_rolls(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(HvaeError, match=message) as caught:
        load_sequences(config(tmp_path / "a.npz"))
    assert "\n" not in str(caught.value)


def test_a_packed_file_of_too_many_sequences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rolls, "MOST_SEQUENCES", 3)
    ends = {"train": np.zeros((8, 4)), "train_len": np.full(4, 2)}
    for number, arrays in enumerate(({"train": np.zeros((4, 2, 4))}, ends)):
        np.savez_compressed(tmp_path / f"{number}.npz", **arrays)
        with pytest.raises(HvaeError, match="at most 3 sequences, got 4"):
            load_sequences(config(tmp_path / f"{number}.npz"))


def test_a_matlab_cell_is_a_list_of_rolls(tmp_path: Path) -> None:
    import scipy.io

    cell = np.empty((1, 2), object)
    cell[0, 0], cell[0, 1] = np.eye(3), np.zeros((2, 3))
    scipy.io.savemat(tmp_path / "a.mat", {"traindata": cell, "validdata": cell, "testdata": cell}, do_compression=True)
    assert load_sequences(config(tmp_path / "a.mat")).train.lengths.tolist() == [3, 2]


def test_a_matlab_file_of_holes_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    import scipy.io

    scipy.io.savemat(tmp_path / "a.mat", {"traindata": np.zeros((1, 1 << 27), np.uint8)}, do_compression=True)
    with pytest.raises(HvaeError, match="it is damaged"):
        load_sequences(config(tmp_path / "a.mat"))


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 MAT-file", b"MATLAB" + bytes(range(256)) * 4, b"\x89HDF"])
def test_other_files_named_mat(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(HvaeError, match="MATLAB"):
        load_sequences(config(tmp_path / "a.mat"))


def test_a_matlab_file_of_text(tmp_path: Path) -> None:
    import scipy.io

    scipy.io.savemat(tmp_path / "a.mat", {"traindata": "words", "s": {"a": 1}})
    with pytest.raises(HvaeError, match="expected numbers"):
        load_sequences(config(tmp_path / "a.mat"))


def test_a_sparse_matrix_is_no_array(tmp_path: Path) -> None:
    import scipy.io
    import scipy.sparse

    scipy.io.savemat(tmp_path / "a.mat", {"train": scipy.sparse.csc_matrix(np.eye(4))})
    with pytest.raises(HvaeError, match="save plain arrays"):
        load_sequences(config(tmp_path / "a.mat"))


def test_a_link_to_itself_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "a.npz").symlink_to(tmp_path / "a.npz")
    with pytest.raises(HvaeError, match="no such file"):
        load_sequences(config(tmp_path / "a.npz"))


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.npy", bytes(1 << 28))
    with pytest.raises(HvaeError, match="it is damaged"):
        load_sequences(config(tmp_path / "a.npz"))


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"name": "jsb", "size": (8, 8)}, "data.size says nothing of sequences"),
        ({"name": "jsb", "flip": True}, "data.flip says nothing of sequences"),
        ({"name": "digits", "chunk": 5}, "data.chunk says nothing of pictures"),
        ({"name": "sequences"}, "expected a file or folder in data.path"),
        ({"name": "jsb", "path": "x"}, "data.path=x is not read for 'jsb'"),
    ],
)
def test_keys_of_the_other_kind(wish: dict[str, object], message: str) -> None:
    with pytest.raises(HvaeError, match=message):
        DataConfig(**wish)


def test_pieces_of_one_step_are_none() -> None:
    with pytest.raises(HvaeError, match="expected pieces of 2 steps or more"):
        DataConfig(name="jsb", chunk=1)


def test_sequences_are_no_pictures() -> None:
    with pytest.raises(HvaeError, match="a set of sequences"):
        load(DataConfig(name="jsb"))


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match="no such file"):
        load_sequences(config(tmp_path / "none.npz"))
    with pytest.raises(HvaeError, match="expected files that end in"):
        load_sequences(config(tmp_path))
