"""Threads that wait soon sleep: what the OpenMP library under torch says of itself after a command has begun."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
import torch
from processes import finished

from hvae import threads

# Whatever runs these tests may have chosen, so the program first chooses for itself.
COMMAND = """
import os
for choice in {choices}:
    os.environ.pop(choice, None)
os.environ.update({own})
from hvae.cli.main import main
main(["--version"])
import torch
"""
SETTING = re.compile(r"\b(OMP_WAIT_POLICY|GOMP_SPINCOUNT)\s*=\s*'(\w+)'")
linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems have other OpenMP libraries")


def settings(own: dict[str, str]) -> dict[str, str]:
    """How the library was set when a command loaded it, by its own account; `own` is what the user chose."""
    script = COMMAND.format(choices=threads.CHOICES, own=own)
    done = finished("-c", script, environment={"OMP_DISPLAY_ENV": "VERBOSE"})
    assert done.returncode == 0, done.stderr
    return dict(SETTING.findall(done.stderr))


@linux
def test_threads_of_a_command_turn_a_few_times_and_sleep() -> None:
    assert settings({})["GOMP_SPINCOUNT"] in (threads.FEW, threads.MANY)


@pytest.mark.parametrize(
    ("text", "alone"),
    [("0.79 1.79 1.89 1/84 21312\n", True), ("0.00 0.00 0.00 2/84 5\n", False), ("12 3", False), ("", False)],
)
def test_who_else_computes_is_read_from_the_system(text: str, alone: bool, tmp_path: Path) -> None:
    (tmp_path / "loadavg").write_text(text)
    assert threads.alone(tmp_path / "loadavg") is alone


@pytest.mark.parametrize(("alone", "turns"), [(True, "10000"), (False, "1000")])
def test_beside_other_work_they_sleep_sooner(alone: bool, turns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for choice in threads.CHOICES:
        monkeypatch.delenv(choice, raising=False)
    monkeypatch.setattr(threads, "alone", lambda: alone)
    monkeypatch.delitem(sys.modules, "torch")
    assert threads.soon_asleep()
    assert os.environ.pop(threads.TURNS) == turns


@linux
@pytest.mark.parametrize(("choice", "value"), [("OMP_WAIT_POLICY", "active"), ("GOMP_SPINCOUNT", "77")])
def test_what_a_user_chose_stays(choice: str, value: str) -> None:
    assert settings({choice: value})[choice] == value.upper()


def test_nothing_is_set_where_threads_are_there_already(monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch.get_num_threads() >= 1
    for choice in threads.CHOICES:
        monkeypatch.delenv(choice, raising=False)
    assert not threads.soon_asleep()
    assert threads.TURNS not in os.environ
