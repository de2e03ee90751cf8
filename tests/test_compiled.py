"""Compiled code is cached where its user alone can write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hvae.caches import private
from hvae.compiled import PLACE, compiled
from hvae.errors import HvaeError


def test_code_is_cached_in_a_closed_folder_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PLACE, "to be restored afterwards")
    monkeypatch.delenv(PLACE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "hvae" / "compiled").mkdir(parents=True, mode=0o777)
    compiled(lambda x: x)
    assert os.environ[PLACE] == str(tmp_path / "hvae" / "compiled")
    assert (tmp_path / "hvae" / "compiled").stat().st_mode & 0o777 == 0o700


def test_a_place_of_the_users_choice_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PLACE, str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled(lambda x: x)
    assert os.environ[PLACE] == str(tmp_path / "mine") and not (tmp_path / "hvae").exists()


def test_a_link_a_file_and_a_stranger_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").touch()
    for name in ("link", "file"):
        with pytest.raises(HvaeError, match=PLACE):
            private(tmp_path / name, PLACE)
    monkeypatch.setattr("os.getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(HvaeError, match="another user's"):
        private(tmp_path / "theirs")
