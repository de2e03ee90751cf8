"""How the studio starts, and what it says where it cannot."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hvae.cli.main import main
from hvae.errors import HvaeError
from hvae.studio.desk import Desk
from hvae.studio.serve import _listening, _serve, studio


def test_a_port_that_is_taken_is_passed_over() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with _listening(taken) as door:
            assert taken < door.getsockname()[1] < taken + 100 and door.getsockname()[0] == "127.0.0.1"


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(HvaeError, match="extra 'studio'.*pip install"):
        studio([tmp_path])


def test_what_is_no_run_is_a_line_before_anything_listens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["studio", str(tmp_path / "none")], ["studio", str(tmp_path), "--port", "99999"]):
        assert main([*words, "--no-browser"]) == 2
        line = capsys.readouterr().err
        assert line.startswith("hvae: ") and line.count("\n") == 1


def test_without_a_run_a_packaged_model_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    servers = []
    monkeypatch.setattr("uvicorn.Server.run", lambda server, sockets: servers.append(server))
    assert main(["studio", "--no-browser"]) == 0
    said = capsys.readouterr()
    assert len(servers) == 1 and "this is digits, which comes with the library" in said.out + said.err


class Asked:
    """A server that asks the desk and then waits to be told to stop, as uvicorn does."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.should_exit = desk, False

    def run(self, sockets: list[socket.socket]) -> None:
        self.desk.later(_interrupted)
        while not self.should_exit:
            time.sleep(0.01)


def _interrupted() -> None:
    raise KeyboardInterrupt


def test_an_interrupt_within_the_work_ends_the_studio_and_its_server() -> None:
    desk = Desk()
    server: Any = Asked(desk)
    with socket.socket() as door, pytest.raises(KeyboardInterrupt):
        _serve(server, door, desk)
    assert server.should_exit and desk.closed


def test_a_server_that_ends_ends_the_studio() -> None:
    desk = Desk()
    server: Any = Asked(desk)
    server.should_exit = True
    desk.later(lambda: None)
    server.desk = Desk()
    with socket.socket() as door:
        _serve(server, door, desk)
    assert desk.closed
