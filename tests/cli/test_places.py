"""Places of files: names from a file never lead outwards, and never onto each other."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvae.errors import HvaeError
from hvae.runs import MEASURING, TRAINING
from hvae.runs.claim import claim_file
from hvae.study.places import RUN_FILES, check_place, check_run_places, free_name, safe

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
    for name, to in {"loop": "loop", "lost": "nowhere"}.items():
        (tmp_path / name).symlink_to(to)
        with pytest.raises(HvaeError, match=f"{name} is no folder"):
            check_place(tmp_path / name / "new" / "a.png")
    for place in ("/proc/a.png", "/proc/self/new/a.png"):
        if Path("/proc").is_dir():
            with pytest.raises(HvaeError, match="nothing may be written into /proc"):
                check_place(Path(place))
    os.mkfifo(tmp_path / "pipe.png")
    for device in (tmp_path / "pipe.png", Path(os.devnull)):
        with pytest.raises(HvaeError, match="it is there, and no file"):
            check_place(device)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop", "lost", "pipe.png"]


@pytest.mark.parametrize("kind", ["file", "nothing", "itself"])
@pytest.mark.parametrize(
    "words", [("sample", "RUN", "-n", 1), ("features", "RUN", "--data", "test"), ("export", "RUN")]
)
def test_a_link_that_leads_to_no_folder_is_neither_replaced_nor_followed(
    words: tuple[object, ...], kind: str, run: Path, tmp_path: Path, command: Callable[..., Any]
) -> None:
    theirs, ending = tmp_path / "theirs", {"sample": ".png", "features": ".npz", "export": ".onnx"}
    if kind == "file":
        theirs.write_text("theirs")
    link = tmp_path / f"link{ending[str(words[0])]}"
    link.symlink_to(link if kind == "itself" else theirs)
    said = command(*(run if word == "RUN" else word for word in words), "-o", link)
    assert said.code == 2 and "it is a link to" in said.err and said.err.count("\n") == 1, said.err
    assert link.is_symlink() and (kind != "file" or theirs.read_text() == "theirs")
    (tmp_path / "folder").mkdir()
    (tmp_path / "to-folder").symlink_to(tmp_path / "folder")
    check_place(tmp_path / "to-folder")


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (".npz", ("features", "RUN", "--data", "FILE")),
        (".npz", ("encode", "RUN", "--data", "FILE")),
        (".npy", ("decode", "RUN", "FILE", "--levels", "z1")),
        (".npy", ("interpolate", "RUN", "--data", "FILE")),
        (".csv", ("score", "RUN", "--data", "FILE")),
    ],
)
def test_what_is_read_is_never_replaced_by_what_is_made_of_it(
    ending: str, words: tuple[str, ...], run: Path, tmp_path: Path, command: Callable[..., Any]
) -> None:
    file, same = tmp_path / f"file{ending}", tmp_path / "to" / f"file{ending}"
    file.write_bytes(b"theirs")
    same.parent.symlink_to(tmp_path)
    places = {"RUN": run, "FILE": file}
    for out in (file, same):
        said = command(*(places.get(word, word) for word in words), "-o", out)
        assert said.code == 2 and "it is what is read; choose another name" in said.err, said.err
        assert said.err.count("\n") == 1 and file.read_bytes() == b"theirs"


@pytest.mark.parametrize("name", [*RUN_FILES, "pictures", "pictures/samples.png", "pictures/sound.wav"])
def test_what_cannot_be_replaced_in_a_run_folder_is_one_line(name: str, tmp_path: Path) -> None:
    place, theirs = tmp_path / name, tmp_path / "theirs"
    check_run_places(tmp_path, RUN_FILES)
    place.parent.mkdir(exist_ok=True)
    theirs.write_text("theirs")
    for create in (os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(tmp_path)):
        create(place)
        with pytest.raises(HvaeError, match=r"move it away|move away what|remove it"):
            check_run_places(tmp_path, RUN_FILES)
        place.unlink()
    if name != "pictures":
        for target in (theirs, tmp_path / "nothing"):
            place.symlink_to(target)
            check_run_places(tmp_path, RUN_FILES)
            place.unlink()
        place.mkdir()
        with pytest.raises(HvaeError, match="a folder is in its place"):
            check_run_places(tmp_path, RUN_FILES)


@pytest.mark.parametrize("door", ["evaluate", "report", "resume"])
def test_no_command_writes_through_a_link_or_refuses_one_late(
    door: str, run: Path, tmp_path: Path, command: Callable[..., Any]
) -> None:
    """A measure draws into the pictures long before the page is written."""
    copy, theirs = shutil.copytree(run, tmp_path / "copy"), tmp_path / "theirs"
    shutil.move(copy / "pictures", theirs)
    (copy / "pictures").symlink_to(theirs)
    before = {path: path.stat().st_mtime_ns for path in (*theirs.iterdir(), *copy.iterdir())}
    words = {
        "evaluate": ("evaluate", copy, "--evaluate.measures", "maps"),
        "report": ("report", copy),
        "resume": ("train", copy, "--resume", "--train.steps", 7),
    }[door]
    said = command(*words)
    assert said.code == 2 and "pictures is a link" in said.err and said.err.count("\n") == 1, said.err
    assert {path: path.stat().st_mtime_ns for path in (*theirs.iterdir(), *copy.iterdir())} == before


@pytest.mark.parametrize("what", [TRAINING, MEASURING])
def test_a_claim_that_is_none_is_refused_before_training(
    what: str, run: Path, tmp_path: Path, command: Callable[..., Any]
) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    claim_file(copy, what).symlink_to(tmp_path / "theirs")
    before = {path: path.lstat().st_mtime_ns for path in copy.iterdir()}
    said = command("train", copy, "--resume", "--train.steps", 7)
    assert said.code == 2 and "not the claim of a run" in said.err and said.err.count("\n") == 1, said.err
    assert {path: path.lstat().st_mtime_ns for path in copy.iterdir()} == before
    assert not (tmp_path / "theirs").exists()


@pytest.mark.parametrize("words", [("inspect", "digits"), ("train", "digits", "--dry-run"), ("models", "--json")])
def test_a_current_folder_that_was_deleted_is_one_line(
    words: tuple[str, ...], tmp_path: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    said = command(*words)
    assert said.code == 2 and said.err.splitlines()[-1].startswith("hvae: the current folder cannot be read: ")
    monkeypatch.chdir(tmp_path)
    assert command("--version").code == 0
