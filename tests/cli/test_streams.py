"""Streams that are closed, full or gone, and encodings without our letters: a sensible exit code and no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import LIMIT, started

HVAE = f"'{sys.executable}' -m hvae"
QUICK = ("--help", "train --help", "models")


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, env={**os.environ, **environment}, timeout=600
    )


@pytest.mark.parametrize("command", [*QUICK, "data --json"])
def test_a_full_disk_is_one_line_and_code_2(command: str) -> None:
    said = shell(f"{HVAE} {command} > /dev/full")
    assert said.returncode == 2
    assert said.stderr == "hvae: could not write the output: No space left on device\n"


@pytest.mark.parametrize("command", [*QUICK, "models --json"])
def test_a_reader_that_leaves_early(command: str) -> None:
    said = shell(f"{HVAE} {command} | head -1; exit ${{PIPESTATUS[0]}}")
    assert said.returncode == 0 and said.stderr == "" and said.stdout.count("\n") == 1


@pytest.mark.parametrize("streams", [">&-", "2>&-", "<&-", ">&- 2>&- <&-", "2> /dev/full", ">&- 2> /dev/full"])
@pytest.mark.parametrize(("command", "code"), [("models", 0), ("nonsense --json", 2)])
def test_closed_streams(command: str, code: int, streams: str) -> None:
    said = shell(f"{HVAE} {command} {streams}")
    assert said.returncode == code and "Traceback" not in said.stderr + said.stdout


def test_what_an_encoding_lacks_is_escaped() -> None:
    said = shell(f"{HVAE} nonsense-é --json", PYTHONIOENCODING="ascii")
    assert said.returncode == 2 and "nonsense-\\xe9" in said.stderr
    assert shell(f"{HVAE} models", PYTHONIOENCODING="ascii").returncode == 0


def test_the_package_is_the_command() -> None:
    assert shell(f"{HVAE} -V").stdout == shell(f"{HVAE} --version").stdout


WRITING = """
import signal, sys, time
# What starts the tests may ignore signals, as a shell does for what it runs in the background, and children inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
from hvae.cli import models
from hvae.cli.main import main
from hvae.files import beside, making, replacing

def write(words):
    with replacing("one") as one, beside("two") as two, making("three"):
        one.write_bytes(b"half")
        two.write_bytes(b"half")
        print("begun", flush=True)
        time.sleep(600)

models.main = write
sys.argv = ["hvae", "models"]
sys.exit(main())
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_who_is_asked_to_end_leaves_nothing_half_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with started("-c", WRITING) as process:
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        assert len(list(tmp_path.iterdir())) == 3
        process.send_signal(getattr(signal, name))
        _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 130 and err == "hvae: stopped\n"
    assert not list(tmp_path.iterdir())


def test_little_is_loaded_before_an_interrupt_is_one_line() -> None:
    program = "import sys, hvae.cli.main; print(sorted({name for name in sys.modules if name.startswith('hvae.')}))"
    with started("-c", program) as process:
        loaded = process.communicate(timeout=LIMIT)[0]
    assert "hvae.cli.main" in loaded and "hvae.config" not in loaded and "hvae.runs" not in loaded


def test_an_interrupt_while_a_command_prepares_is_one_line() -> None:
    program = "from hvae import threads; import os, signal; from hvae.cli.main import main; import sys; "
    program += "signal.signal(signal.SIGINT, signal.default_int_handler); sys.argv = ['hvae', 'models']; "
    program += "threads.soon_asleep = lambda: os.kill(os.getpid(), signal.SIGINT); sys.exit(main())"
    with started("-c", program) as process:
        _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 130 and err == "hvae: stopped\n"


def test_what_is_ignored_stays_ignored(tmp_path: Path) -> None:
    program = "import signal; from hvae.cli import streams; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
    program += "streams.listen(); print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    with started("-c", program) as process:
        assert process.communicate(timeout=LIMIT)[0] == "True\n"
