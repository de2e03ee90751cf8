"""Files and folders that are whole or not there, and files that others have written."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from hvae.errors import HvaeError
from hvae.files import beside, free, making, open_regular, read_regular, replacing, write_text


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "one"
    with making(folder) as temporary:
        (temporary / "a").write_text("x")
        assert not folder.exists() and temporary.parent == folder.parent
    assert (folder / "a").read_text() == "x"
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt, OSError])
def test_nothing_stays_of_one_that_failed(tmp_path: Path, fault: type[BaseException]) -> None:
    with pytest.raises((fault, HvaeError)), making(tmp_path / "one") as temporary:
        (temporary / "a").write_text("x")
        raise fault
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with making(tmp_path / "one"):
        pass
    (tmp_path / "one" / "mine").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("one", "file"):
        with pytest.raises(HvaeError, match="already exists; name another folder with --out"), making(tmp_path / name):
            raise AssertionError("never entered")


def test_a_folder_that_was_filled_meanwhile_stays(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    with pytest.raises(HvaeError, match="could not write"), making(folder) as temporary:
        (temporary / "a").write_text("theirs")
        folder.mkdir()
        (folder / "a").write_text("mine")
    assert (folder / "a").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the address of a socket may not be long
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        for path, kind in {"pipe": "pipe", "socket": "socket", "/dev/zero": "device", ".": "folder"}.items():
            with pytest.raises(HvaeError, match=f"{path}: expected a regular file, got a .*{kind}"):
                open_regular(path)
    Path("link").symlink_to("link")
    for missing in ("none", "link"):
        with pytest.raises(HvaeError, match=f"cannot read {missing}: "):
            open_regular(missing)


def test_a_pipe_that_takes_the_place_of_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    honest = os.stat(tmp_path / "file")
    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", lambda *_: honest)
        with pytest.raises(HvaeError, match="got a named pipe"):
            open_regular(tmp_path / "pipe")


def test_files_are_read_up_to_a_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_regular(tmp_path / "a", 5) == read_regular(tmp_path / "a") == b"12345"
    with pytest.raises(HvaeError, match="expected at most 4 bytes, got 5"):
        read_regular(tmp_path / "a", 4)
    if Path("/proc/self/status").exists():  # the system says that it has no bytes
        with pytest.raises(HvaeError, match="expected at most 4 bytes, got more"):
            read_regular("/proc/self/status", 4)


def test_files_of_holes_are_refused(tmp_path: Path) -> None:
    with open(tmp_path / "a", "wb") as file:
        file.write(b"x" * 4096)
        file.truncate(1 << 40)
    if os.stat(tmp_path / "a").st_blocks < 1 << 20:
        with pytest.raises(HvaeError, match="expected a whole file"):
            open_regular(tmp_path / "a")


def test_a_link_to_where_a_folder_is_made_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, to in {"to-empty": "empty", "to-nothing": "new", "circle": "circle"}.items():
        (tmp_path / name).symlink_to(to)
    for name in ("to-empty", "to-nothing"):
        with making(tmp_path / name) as temporary:
            write_text(temporary / "a.txt", "whole")
        assert (tmp_path / name).is_symlink() and (tmp_path / name / "a.txt").read_text() == "whole"
    with pytest.raises(HvaeError, match="circle already exists"):
        free(tmp_path / "circle")


@pytest.mark.parametrize("place", [replacing, making, beside])
def test_a_write_that_is_cut_short_is_a_full_disk(place: Any, tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match="the disk is full"), place(tmp_path / "a.npy"):
        raise OSError("92160 requested and 3040 written")  # as NumPy says it
    assert not [*tmp_path.iterdir()]
