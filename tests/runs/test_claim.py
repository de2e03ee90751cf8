"""Who may write into a run folder: one process at a time, whatever became of those before it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hvae.errors import HvaeError
from hvae.runs import MEASURING, TRAINING, ClaimLost, claiming, is_unused
from hvae.runs.claim import claim_file
from hvae.runs.holder import Holder, read_holder, this_process
from hvae.runs.locks import Lock

HOLD = """
import sys
from hvae.runs import claiming
with claiming(sys.argv[1], "training"):
    print("claimed", flush=True)
    sys.stdin.read()
"""


@contextmanager
def other_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the claim for training until its input ends."""
    words = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "claimed\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def left_behind(folder: Path, **changes: object) -> Holder:
    """A claim file as a process that is no longer there has left it."""
    folder.mkdir(exist_ok=True)
    holder = replace(this_process(), **changes)  # type: ignore[arg-type]
    claim_file(folder, TRAINING).write_bytes(holder.to_bytes())
    return holder


def test_a_claim_leaves_nothing_behind(folder: Path) -> None:
    with claiming(folder, TRAINING) as training:
        training.check()
        (folder / "weights").touch()
        assert not is_unused(folder)
    assert [path.name for path in folder.iterdir()] == ["weights"]


def test_a_folder_that_was_made_and_stayed_empty_goes(folder: Path) -> None:
    for place in (folder / "below", folder / "below" / "again", folder):
        with pytest.raises(KeyError), claiming(place, TRAINING):
            raise KeyError
        assert not folder.exists()
    with pytest.raises(KeyError), claiming(folder / "below", TRAINING):
        (folder / "of another").touch()
        raise KeyError
    assert [path.name for path in folder.iterdir()] == ["of another"]
    (folder / "of another").unlink()
    folder.mkdir(exist_ok=True)
    with claiming(folder, TRAINING):
        assert is_unused(folder)
    assert folder.is_dir()


def test_another_process_is_named_and_its_kill_frees_the_folder(folder: Path) -> None:
    with other_process(folder) as other:
        with pytest.raises(HvaeError, match=rf"{folder} is claimed for training by process {other.pid} on .*; wait"):
            claiming(folder, TRAINING).__enter__()
        with claiming(folder, MEASURING):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert is_unused(folder) and claim_file(folder, TRAINING).is_file()
        with claiming(folder, TRAINING) as training:
            training.check()


def test_another_thread_is_another_holder(folder: Path) -> None:
    refused = []

    def attempt() -> None:
        try:
            claiming(folder, TRAINING).__enter__()
        except HvaeError as fault:
            refused.append(str(fault))

    with claiming(folder, TRAINING):
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
    assert len(refused) == 1 and f"process {os.getpid()}" in refused[0]


def test_patience_waits_for_the_holder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hvae.runs.claim.PAUSE", 0.01)
    said: list[str] = []
    with other_process(folder) as other:
        threading.Timer(0.1, other.kill).start()
        with claiming(folder, TRAINING, patience=300, tell=said.append):
            assert len(said) == 1 and f"by process {other.pid}" in said[0]


def test_of_many_processes_one_gets_the_folder(folder: Path) -> None:
    words = [sys.executable, "-c", HOLD, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    crowd = [subprocess.Popen(words, text=True, **pipes) for _ in range(5)]  # type: ignore[call-overload]
    try:
        lines = [process.stdout.readline() for process in crowd]
        assert sorted(lines) == ["", "", "", "", "claimed\n"]
    finally:
        for process in crowd:
            process.kill()
            process.communicate()


@pytest.mark.parametrize("how", ["deleted", "moved", "taken over", "a pipe in its place", "a folder in its place"])
def test_a_lost_folder_is_noticed_and_left_alone(folder: Path, how: str) -> None:
    with claiming(folder, TRAINING) as training:
        if how == "deleted":
            shutil.rmtree(folder)
        if how == "moved":
            folder.rename(folder.with_name("elsewhere"))
        if how.endswith("in its place"):
            claim_file(folder, TRAINING).unlink()
            (os.mkfifo if "pipe" in how else os.mkdir)(claim_file(folder, TRAINING))
        if how == "taken over":
            other = left_behind(folder, token="another")
        with pytest.raises(ClaimLost, match="taken over by process" if how == "taken over" else "deleted or moved"):
            training.check()
    assert folder.exists() is (how not in ("deleted", "moved"))
    if how == "taken over":
        assert read_holder(claim_file(folder, TRAINING)) == other


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b'{"pid": "x"}', b"\xff" * 10_000, b"[" * 4_000])
def test_a_damaged_claim_is_nobodys(folder: Path, text: bytes) -> None:
    folder.mkdir()
    claim_file(folder, TRAINING).write_bytes(text)
    with claiming(folder, TRAINING) as training:
        training.check()


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "file/below", "bad\udce9", "/".join(["d" * 200] * 20)])
def test_places_that_cannot_be_are_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HvaeError, match="could not write .*; choose another folder"):
        claiming(tmp_path / name, TRAINING).__enter__()


# Other machines, and file systems without locks


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("PAUSE", 0.01), ("SILENCE", 0.3), ("BEAT", 0.02)):
        monkeypatch.setattr(f"hvae.runs.claim.{name}", seconds)


@pytest.fixture
def lockless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hvae.runs.claim.lock", lambda descriptor: Lock.UNSUPPORTED)


@pytest.mark.usefixtures("quick")
def test_a_silent_claim_of_another_machine_is_over(folder: Path) -> None:
    left_behind(folder, host="elsewhere")
    said: list[str] = []
    with claiming(folder, TRAINING, tell=said.append) as training:
        training.check()
    assert len(said) == 1 and "on elsewhere" in said[0]


@pytest.mark.usefixtures("quick")
def test_an_old_claim_of_another_machine_is_over_at_once(folder: Path) -> None:
    left_behind(folder, host="elsewhere")
    os.utime(claim_file(folder, TRAINING), (0, 0))
    said: list[str] = []
    with claiming(folder, TRAINING, tell=said.append):
        assert not said


@pytest.mark.usefixtures("quick")
def test_a_heartbeat_on_another_machine_is_respected(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Locks that end at their machine: the claim of the first is locked, but the second does not see it.
    with claiming(folder, TRAINING) as training:
        left_behind(folder, host="elsewhere", token=training.token)
        monkeypatch.setattr("hvae.runs.claim.lock", lambda descriptor: Lock.OURS)
        with pytest.raises(HvaeError, match="on elsewhere"):
            claiming(folder, TRAINING).__enter__()
        training.check()


@pytest.mark.usefixtures("quick", "lockless")
def test_without_locks_a_process_of_this_machine_is_looked_for(folder: Path) -> None:
    with claiming(folder, TRAINING), pytest.raises(HvaeError, match=f"process {os.getpid()} on "):
        claiming(folder, TRAINING).__enter__()
    left_behind(folder, started="long ago")
    with claiming(folder, TRAINING) as training:
        training.check()


@pytest.mark.usefixtures("quick", "lockless")
def test_without_locks_the_later_of_two_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hvae.runs.claim.time.sleep", lambda seconds: left_behind(folder, pid=1, token="later"))
    with pytest.raises(HvaeError, match="claimed for training by process 1 on"):
        claiming(folder, TRAINING).__enter__()
    holder = read_holder(claim_file(folder, TRAINING))
    assert holder is not None and holder.token == "later"


@pytest.mark.parametrize("kind", ["pipe", "socket", "loop", "file"])
def test_what_lies_in_the_place_of_pictures_is_named(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    monkeypatch.chdir(folder)  # names of sockets are short
    make = {"pipe": os.mkfifo, "loop": lambda name: os.symlink(name, name), "file": lambda name: Path(name).touch()}
    with socket.socket(socket.AF_UNIX) as server:
        make.get(kind, server.bind)("pictures")
        with pytest.raises(HvaeError, match="pictures: expected a folder"), claiming(folder, TRAINING):
            pass
    assert [path.name for path in folder.iterdir()] == ["pictures"]


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe"])
def test_nothing_is_written_through_what_only_looks_like_a_claim(folder: Path, tmp_path: Path, kind: str) -> None:
    folder.mkdir()
    path, other = claim_file(folder, MEASURING), tmp_path / "other"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(other)
    if kind == "link":
        other.write_text("precious")
    with pytest.raises(HvaeError, match="not the claim of a run"), claiming(folder, MEASURING):
        pass
    assert other.exists() == (kind == "link")
    assert kind != "link" or other.read_text() == "precious"


@pytest.mark.parametrize("place", ["os.fsync", "threading.Thread.start"])
def test_an_interrupt_while_a_folder_is_claimed_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), monkeypatch.context() as patch:
        patch.setattr(f"hvae.runs.claim.{place}", interrupted)
        claiming(folder / "below", TRAINING).__enter__()
    assert not folder.exists()


def test_an_interrupt_while_another_process_is_waited_for_leaves_it_its_claim(folder: Path) -> None:
    def interrupt(text: str) -> None:
        raise KeyboardInterrupt

    with claiming(folder, TRAINING) as training:
        with pytest.raises(KeyboardInterrupt), claiming(folder, TRAINING, patience=9, tell=interrupt):
            pass
        training.check()
