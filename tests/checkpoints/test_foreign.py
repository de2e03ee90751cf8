"""Files of others: what is read from them, and that nothing in them is ever run."""

from __future__ import annotations

import argparse
import builtins
import os
import pickle
import struct
import subprocess
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_files import Calls, archive, claiming, repacked

from hvae.checkpoints.foreign import Arguments, describe, read, tensors
from hvae.errors import HvaeError

STATE = OrderedDict((f"layer.{i}.weight", torch.arange(12.0).view(3, 4) + i) for i in range(5))
LEGACY = {"_use_new_zipfile_serialization": False}
BOTH = pytest.mark.parametrize("form", [{}, LEGACY], ids=["archive", "legacy"])


def saved(path: Path, content: Any, form: dict[str, Any] | None = None) -> Path:
    torch.save(content, path, **(form or {}))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(HvaeError) as caught:
        read(path)
    line = str(caught.value)
    assert "\n" not in line and str(path) in line
    return line


@BOTH
def test_tensors_come_out_as_they_went_in(tmp_path: Path, form: dict[str, Any]) -> None:
    module = torch.nn.BatchNorm1d(3)
    content = {
        "state": module.state_dict(),
        "half": torch.ones(2, dtype=torch.bfloat16),
        "step": 7,
        "list": [1.5, None],
    }
    found = read(saved(tmp_path / "a.pt", content, form))
    assert found["step"] == 7 and found["list"] == [1.5, None] and found["half"].dtype == torch.bfloat16
    assert all(torch.equal(found["state"][name], value) for name, value in module.state_dict().items())


@BOTH
def test_a_namespace_becomes_a_plain_mapping(tmp_path: Path, form: dict[str, Any]) -> None:
    args = argparse.Namespace(dataset="cifar10", groups=[2, 1], lr=np.float64(0.5), n=np.int64(-3), on=np.bool_(True))
    found = read(saved(tmp_path / "a.pt", {"args": args, "state_dict": STATE}, form))["args"]
    assert type(found) is Arguments
    assert found == {"dataset": "cifar10", "groups": [2, 1], "lr": 0.5, "n": -3, "on": True}
    assert [type(found[name]) for name in ("lr", "n", "on")] == [float, int, bool]


def test_scalars_of_an_older_numpy(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", {"x": np.float32(0.25), "big": np.dtype(">i2").type(5)})
    repacked(path, b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    assert read(path) == {"x": 0.25, "big": 5}


def test_methods_of_a_namespace_cannot_be_smuggled_in(tmp_path: Path) -> None:
    args = argparse.Namespace(update="x", __setstate__="y")
    assert read(saved(tmp_path / "a.pt", args)) == {"update": "x", "__setstate__": "y"}


EVIL = {
    "os.system": lambda mark: Calls(os.system, f"touch {mark}"),
    "eval": lambda mark: Calls(builtins.eval, f"open({str(mark)!r}, 'w')"),
    "exec": lambda mark: Calls(builtins.exec, f"open({str(mark)!r}, 'w')"),
    "subprocess": lambda mark: Calls(subprocess.check_call, ["touch", str(mark)]),
    "open": lambda mark: Calls(builtins.open, str(mark), "w"),
    "getattr": lambda mark: Calls(builtins.getattr, Path, "touch"),
    "torch.save": lambda mark: Calls(torch.save, 1, str(mark)),
    "model": lambda mark: torch.nn.Linear(1, 1),
}


@BOTH
@pytest.mark.parametrize("kind", EVIL)
def test_a_file_with_code_is_refused_and_nothing_runs(tmp_path: Path, kind: str, form: dict[str, Any]) -> None:
    mark = tmp_path / "ran"
    args = argparse.Namespace(dataset="cifar10", extra=EVIL[kind](mark))
    path = saved(tmp_path / "a.pt", {"state_dict": STATE, "args": args}, form)
    line = refusal(path)
    assert "would run when it is loaded" in line and "nothing was run" in line
    assert not mark.exists()


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_bare_pickle_with_code_is_refused(tmp_path: Path, protocol: int) -> None:
    mark, path = tmp_path / "ran", tmp_path / "a.th"
    path.write_bytes(pickle.dumps(Calls(os.system, f"touch {mark}"), protocol=protocol))
    line = refusal(path)
    # Those of the first two protocols do not begin as a file of PyTorch does.
    told = "names posix.system" in line and "nothing was run" in line and "damaged" not in line
    assert told if protocol > 1 else "found something else" in line
    refusal(archive(tmp_path / "b.th", pickle.dumps(Calls(os.system, f"touch {mark}"), protocol=protocol)))
    assert not mark.exists()


def test_a_name_cannot_break_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.th"
    path.write_bytes(pickle.dumps(Calls(os.system, "true"), protocol=4).replace(b"\x8c\x06system", b"\x8c\x06sys\nem"))
    assert r"posix.sys\nem" in refusal(path)


def test_code_in_the_later_pickles_of_a_legacy_file_is_found(tmp_path: Path) -> None:
    mark, path = tmp_path / "ran", saved(tmp_path / "a.th", {"n": 1}, LEGACY)
    keys = pickle.dumps([], protocol=2)
    assert path.read_bytes().endswith(keys)
    path.write_bytes(path.read_bytes().removesuffix(keys) + pickle.dumps(Calls(os.system, f"touch {mark}"), protocol=2))
    assert "posix.system" in refusal(path)
    assert not mark.exists()


def test_what_others_allowed_in_this_process_is_not_allowed_here(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    path = saved(tmp_path / "a.pt", Calls(builtins.open, str(mark), "w"))
    with torch.serialization.safe_globals([(builtins.open, "io.open"), builtins.open]):
        assert "open" in refusal(path)
    assert not mark.exists()


def test_what_is_allowed_here_is_not_allowed_elsewhere(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", argparse.Namespace(a=1))
    read(path)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)


@BOTH
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, form: dict[str, Any]) -> None:
    whole = saved(tmp_path / "a.pt", {"state_dict": STATE, "args": argparse.Namespace(a=1)}, form).read_bytes()
    path = tmp_path / "cut.pt"
    for cut in [*range(0, len(whole), 37), *range(len(whole) - 40, len(whole))]:
        path.write_bytes(whole[:cut])
        refusal(path)


def test_a_flipped_bit_in_an_archive_is_found(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", STATE)
    content = bytearray(path.read_bytes())
    place = content.index(STATE["layer.3.weight"].numpy().tobytes())
    content[place + 5] ^= 4
    path.write_bytes(content)
    assert "is damaged" in refusal(path)


def test_packed_archives_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.pt", pickle.dumps({}, protocol=2), more={"data/0": bytes(50_000_000)}, packed=True)
    assert path.stat().st_size < 100_000
    assert "list of contents" in refusal(path)


def test_sizes_that_an_archive_only_declares_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.pt", pickle.dumps({}, protocol=2), more={"data/0": bytes(64)})
    content = path.read_bytes()
    size = struct.pack("<II", 64, 64)
    for declared in (1 << 31, 65):
        path.write_bytes(content.replace(size, struct.pack("<II", declared, declared)))
        assert "is damaged" in refusal(path)


@pytest.mark.parametrize(
    ("numel", "size", "stride"),
    [
        (10**12, (10**12,), (1,)),  # a storage that is not there
        (10**30, (10**30,), (1,)),
        (-5, (4,), (1,)),
        (1, (10**12,), (0,)),  # one number, seen for ever
        (1, (10**6, 10**6), (0, 0)),
        (1, (2,), (1,)),
        (1, (2,), (-1,)),
    ],
)
def test_storages_and_views_larger_than_the_file_are_refused(
    tmp_path: Path, numel: int, size: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    refusal(archive(tmp_path / "a.pt", claiming(numel, size, stride), more={"data/0": bytes(4)}))


def test_a_legacy_storage_larger_than_the_file_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.th", {"w": torch.ones(77)}, LEGACY)
    content = path.read_bytes()
    # 77 stands as the one byte K\x4d: as the claim of a four-byte number it is 2,147,483,647.
    assert content.count(b"K\x4d") >= 2
    path.write_bytes(content.replace(b"K\x4d", b"J\xff\xff\xff\x7f"))
    refusal(path)


def test_a_list_that_holds_itself(tmp_path: Path) -> None:
    content: list[Any] = [torch.ones(2)]
    content.append(content)
    assert read(saved(tmp_path / "a.pt", content))[0].tolist() == [1, 1]


OTHERS = {
    "a web page": b"<!DOCTYPE html><html>Google Drive can't scan this file for viruses",
    "an empty file": b"",
    "a gzip file": b"\x1f\x8b\x08\x00" + bytes(40),
    "a safetensors file": struct.pack("<Q", 300) + b'{"a":{"dtype":"F32"}}',
    "something else": b"weights: 3",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_files_of_another_kind_are_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.th"
    path.write_bytes(OTHERS[kind])
    assert f"expected a file saved by PyTorch, found {kind}" in refusal(path)


def test_an_archive_of_something_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("checkpoints/readme.txt", "x")
    assert "found an archive of checkpoints/readme.txt" in refusal(path)


def test_no_file(tmp_path: Path) -> None:
    assert "no file at" in refusal(tmp_path / "nowhere.th")
    assert "no file at" in refusal(tmp_path)


def test_tensors_by_name(tmp_path: Path) -> None:
    parameters = {"w": torch.nn.Parameter(torch.ones(2))}
    found = tensors(read(saved(tmp_path / "a.th", parameters)), tmp_path, "weights")
    assert type(found["w"]) is torch.Tensor and not found["w"].requires_grad
    for content, said in (({"epoch": 1}, "a dict of epoch"), ({}, "an empty dict"), ([1], "one list")):
        assert describe(content) == said
        with pytest.raises(HvaeError, match=f"expected weights, found {said}"):
            tensors(content, tmp_path, "weights")
