"""Streams that are closed, full or gone, and encodings without our letters: a sensible exit code and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

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
