"""How the studio starts, and what it says where it cannot."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from hvae.cli.main import main
from hvae.errors import HvaeError
from hvae.studio.serve import _listening, studio


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
