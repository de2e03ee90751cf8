"""Folders that are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from hvae.errors import HvaeError
from hvae.files import making


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
