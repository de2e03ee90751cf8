"""Places of files: names from a file never lead outwards, and never onto each other."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvae.errors import HvaeError
from hvae.study.places import check_place, free_name, safe

NAMES = st.text(st.sampled_from("ab./\\:C\0\n \udcff"), max_size=12) | st.text(max_size=20)


@given(st.lists(NAMES, max_size=8))
def test_any_names_become_different_files_inside(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for i, name in enumerate(names):
            place = free_name(folder, safe(name, ".png", i), i)
            assert ".." not in place.parts and not PureWindowsPath(str(place)).drive and not place.is_absolute()
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).touch(exist_ok=False)
        assert len([f for f in folder.rglob("*") if f.is_file()]) == len(names)


def test_names_keep_what_is_harmless() -> None:
    for name, suffix, expected in (
        ("more/a.jpg", ".png", "more/a.png"),
        ("12:30 ü.png", ".png", "12:30 ü.png"),
        ("v1.2", ".npy", "v1.2.npy"),
        (".hidden/.a.png", ".png", ".hidden/.a.png"),
        ("a\u202egnp.exe\x9b2J\u200b.png", ".png", "agnp.exe2J.png"),
    ):
        assert safe(name, suffix, 0) == PurePosixPath(expected)


def test_places_that_cannot_be_written_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_place(tmp_path / "new" / "newer" / "a.png")
    with pytest.raises(HvaeError, match="is no folder"):
        check_place(tmp_path / "file" / "a.png")
    for place in ("/proc/a.png", "/proc/self/new/a.png"):
        if Path("/proc").is_dir():
            with pytest.raises(HvaeError, match="nothing may be written into /proc"):
                check_place(Path(place))
    os.mkfifo(tmp_path / "pipe.png")
    for device in (tmp_path / "pipe.png", Path(os.devnull)):
        with pytest.raises(HvaeError, match="it is there, and no file"):
            check_place(device)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "pipe.png"]
